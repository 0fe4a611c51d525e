import { Readable } from 'node:stream';
import type { Io, Output } from '../src/io.js';
import { run } from '../src/run.js';

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Overrides {
  env?: Record<string, string | undefined>;
  cwd?: string;
  tty?: boolean;
  columns?: number;
  stdin?: string;
  signal?: AbortSignal;
  now?: () => number;
  uptime?: () => number;
}

/** The built entry, which a drill starts again as its watchdog. */
const ENTRY = new URL('../bin/cache-ops.js', import.meta.url).pathname;

/** Runs one command line in this process and returns what a shell would see. */
export async function runCli(argv: string[], overrides: Overrides = {}): Promise<Outcome> {
  const stdout = capture(overrides);
  const stderr = capture(overrides);
  const stdin: ReturnType<Io['stdin']> = Readable.from(
    overrides.stdin === undefined ? [] : [overrides.stdin],
  );
  if (overrides.tty) stdin.isTTY = true;
  const code = await run(argv, {
    stdout,
    stderr,
    stdin: () => stdin,
    env: overrides.env ?? {},
    cwd: overrides.cwd ?? '/',
    host: {
      pid: process.pid,
      uid: process.getuid?.(),
      execPath: process.execPath,
      entry: ENTRY,
      kill: (pid, signal) => void process.kill(pid, signal),
      exit: (status) => {
        throw new Error(`exit ${status}`);
      },
    },
    signal: overrides.signal ?? new AbortController().signal,
    now: overrides.now ?? Date.now,
    ...(overrides.uptime && { uptime: overrides.uptime }),
  });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

function capture({ tty = false, columns = 80 }: Overrides): Output & { text: string } {
  return {
    text: '',
    isTTY: tty,
    columns,
    write(text: string) {
      this.text += text;
    },
  };
}
