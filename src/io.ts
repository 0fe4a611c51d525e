import type { Readable } from 'node:stream';

/** A place that text is written to; `isTTY` and `columns` say how to lay it out. */
export interface Output {
  /** `latin1`: the text is bytes, one character each, and is written as they are. */
  write(text: string, encoding?: 'latin1'): void;
  /** Resolves when what was written has been taken: for output of any length. */
  drained?(): Promise<void>;
  readonly isTTY: boolean;
  readonly columns: number;
}

/** What the operating system offers, so that no other file needs `process`. */
export interface Host {
  readonly pid: number;
  readonly uid: number | undefined;
  /** The Node executable and the command's own entry file, to start itself again as a watchdog. */
  readonly execPath: string;
  readonly entry: string;
  /** Sends a signal; 0 only asks whether the process exists. Throws ESRCH or EPERM. */
  kill(pid: number, signal: NodeJS.Signals | 0): void;
  exit(code: number): never;
  /** From here on SIGHUP calls this rather than ending the command: a daemon reads its configuration anew. */
  onHangup?(listener: () => void): void;
}

/** Everything that comes from outside; tests pass their own. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Opens it: not before something is to be read. */
  stdin(): Readable & { isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly host: Host;
  /** Aborted by SIGINT, SIGTERM, SIGHUP or a closed pipe; the reason says which. */
  readonly signal: AbortSignal;
  /** The present moment in milliseconds since 1970. */
  now(): number;
  /** Milliseconds since the machine was started, which nobody can set. */
  uptime?(): number;
}

/** Why a command was told to end: by a signal, or because nobody reads its output any more. */
export class Interrupt extends Error {
  override readonly name = 'AbortError';
  constructor(override readonly cause: NodeJS.Signals | 'EPIPE') {
    super(cause === 'EPIPE' ? 'output closed' : `interrupted by ${cause}`);
  }
}
