import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { type Environment, withDotEnv } from '../../config/environment.js';

export interface ShellOptions {
  cwd: string;
  env: Environment;
  /** File that the command's output is appended to; nowhere when left out. */
  log?: string;
}

/**
 * Starts a shell command in a session of its own: it outlives this process and its terminal, so a
 * server that stays in the foreground is as good as one that becomes a daemon.
 */
export function launch(command: string, { cwd, env, log }: ShellOptions): ChildProcess {
  const output = log ? openLog(log) : 'ignore';
  const child = spawn('/bin/sh', ['-c', command], {
    cwd,
    env: withDotEnv(env, cwd) as NodeJS.ProcessEnv,
    detached: true,
    stdio: ['ignore', output, output],
  });
  if (output !== 'ignore') closeSync(output);
  child.unref();
  return child;
}

/** A full disk must not keep a server from being started: its output is then lost. */
function openLog(file: string): number | 'ignore' {
  try {
    return openSync(file, 'a', 0o600);
  } catch {
    return 'ignore';
  }
}

/** Runs a shell command to its end; throws when it fails or takes longer than `timeout` ms. */
export async function runShell(
  command: string,
  options: ShellOptions,
  timeout: number,
): Promise<void> {
  const child = launch(command, options);
  const code = await new Promise<number | string>((resolve, reject) => {
    const timer = setTimeout(() => resolve(`did not end within ${timeout / 1_000} s`), timeout);
    child.once('error', reject);
    child.once('exit', (status, signal) => {
      clearTimeout(timer);
      resolve(status ?? `ended by ${signal}`);
    });
  });
  if (code !== 0)
    throw new Error(
      `"${command}" ${typeof code === 'number' ? `ended with exit code ${code}` : code}`,
    );
}

/** What a shell command says. Throws its last words when it fails or takes longer than 10 s. */
export async function askShell(
  command: string,
  { cwd, env }: Pick<ShellOptions, 'cwd' | 'env'>,
): Promise<string> {
  const child = spawn('/bin/sh', ['-c', command], {
    cwd,
    env: withDotEnv(env, cwd) as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 10_000,
  });
  let said = '';
  let complained = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  child.stderr.on('data', (text) => {
    complained += text;
  });
  const [code, signal] = await once(child, 'close');
  if (code === 0) return said;
  const last = complained.trim().split('\n').at(-1);
  throw new Error(last || `ended ${signal ? `by ${signal}` : `with exit code ${code}`}`);
}
