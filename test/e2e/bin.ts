import { spawn } from 'node:child_process';
import { until } from '../servers/wait.js';

/** The built command; `node esbuild.config.mjs` builds it. */
export const BIN = new URL('../../bin/cache-ops.js', import.meta.url).pathname;

interface Options {
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Runs it as this user and group; needs root. */
  uid?: number | undefined;
}

export interface BinOptions extends Options {
  /** Another copy of the built command. */
  bin?: string;
}

export interface Ended {
  /** The exit code, or the signal that ended it. */
  code: number | NodeJS.Signals;
  stdout: string;
  stderr: string;
}

/** Starts the built command as a process of its own. */
export function startBin(argv: string[], { bin = BIN, ...options }: BinOptions = {}) {
  return startProgram(process.execPath, [bin, ...argv], options);
}

/** Runs the built command to its end. */
export function runBin(argv: string[], options?: BinOptions): Promise<Ended> {
  return startBin(argv, options).ended;
}

export function runProgram(file: string, args: string[], options?: Options): Promise<Ended> {
  return startProgram(file, args, options).ended;
}

/** Starts a program; everything it has written is kept. */
function startProgram(file: string, args: string[], { env = {}, cwd = '/', uid }: Options = {}) {
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH, ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      said[name] += chunk;
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code: code ?? signal ?? -1, ...said }));
  });
  return {
    pid: child.pid as number,
    ended,
    said,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    says: (word: string) =>
      until(() => said.stdout.includes(word) || said.stderr.includes(word), {
        timeout: 20_000,
        what: `"${word}"`,
      }),
  };
}
