import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../config/environment.js';
import { CacheOpsError, codeOf, messageOf } from '../errors.js';
import { MARK } from './processes.js';

export interface Program {
  /** As it is called in an error. */
  name: string;
  command: [file: string, ...args: string[]];
  /** A folder below the sandbox's own: that is how the process is found again. */
  cwd: string;
  env: Record<string, string>;
  /** File that its output is appended to. */
  log: string;
  /** Runs it as another user; needs root. */
  user?: { uid: number; gid: number } | undefined;
}

/** Longest time for a server to be ready, in ms. */
const LIMIT = 30_000;

/**
 * Starts a program in a session of its own, so that it outlives this process and its terminal, and
 * returns when `ready` says so. Without `ready` it returns when the program has ended well.
 */
export async function launch(
  program: Program,
  signal: AbortSignal,
  ready?: () => boolean | Promise<boolean>,
): Promise<void> {
  const { name, command, cwd, env, log, user } = program;
  const [file, ...args] = command;
  signal.throwIfAborted();
  const output = openSync(log, 'a', 0o600);
  const child = spawn(file, args, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', output, output],
    ...user,
  });
  closeSync(output);
  child.unref();
  const state: { ended?: 'well' | 'badly'; how: string } = { how: '' };
  child.once('error', (error) => {
    state.ended = 'badly';
    state.how = `cannot be started (${codeOf(error) ?? messageOf(error)})`;
  });
  child.once('exit', (code, by) => {
    state.ended = code === 0 && !ready ? 'well' : 'badly';
    state.how = `ended with ${by ?? `exit code ${code}`}`;
  });
  const deadline = performance.now() + LIMIT;
  for (;;) {
    signal.throwIfAborted();
    if (state.ended === 'well') return;
    if (state.ended === 'badly') throw failure(name, state.how, log);
    if (await ready?.()) return;
    if (performance.now() > deadline)
      throw failure(name, `was not ready within ${LIMIT / 1_000} s`, log);
    await sleep(10, undefined, { signal });
  }
}

function failure(name: string, problem: string, log: string): CacheOpsError {
  const lines = read(log)
    .split('\n')
    .filter((line) => line.trim() !== '');
  const said = lines.findLast((line) => /fatal|error|fail/i.test(line)) ?? lines.at(-1);
  return new CacheOpsError('state', `${name} ${problem}${said ? `: ${said.trim()}` : ''}`);
}

/** The environment of every program: nothing of the operator's own that could configure a server. */
export function plainEnvironment(env: Environment, folder: string): Record<string, string> {
  const { PATH = '/usr/bin:/bin', HOME = folder, LD_LIBRARY_PATH } = env;
  return { PATH, HOME, ...(LD_LIBRARY_PATH && { LD_LIBRARY_PATH }), LC_ALL: 'C', [MARK]: folder };
}

/** Starts something on a free loopback port; on another one when somebody was quicker to take it. */
export async function onFreePort<T>(log: string, start: (port: number) => Promise<T>): Promise<T> {
  for (let left = 4; ; left -= 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (left === 0 || !/address already in use/i.test(read(log))) throw error;
      rmSync(log, { force: true });
    }
  }
}

/**
 * A free loopback port below 32768, where no system takes the ports of outgoing connections from.
 * Otherwise, while a drill has Redis stopped, its port may go to a connection; a client that tries
 * it again and again may even be connected to itself.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
