import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../config/environment.js';
import { messageOf } from '../errors.js';
import type { Host } from '../io.js';
import { openChannel, StageError } from '../redis/channel.js';
import { ReplyError } from '../redis/resp.js';
import { isAlive, signalTo } from '../state/identity.js';
import type { Fault } from './drivers/driver.js';
import { launch, runShell } from './drivers/shell.js';

/** Longest time for a server to stop: with a big data set it writes a file first. */
const STOP_LIMIT = 30_000;
/** Longest time for a server to answer after its start: it may load a big file. */
const START_LIMIT = 60_000;
const START_AGAIN = 3_000;

export interface Actor {
  host: Host;
  env: Environment;
  log: string;
}

/** Stops the target and returns when it is gone. */
export async function inject(fault: Fault, { host, env, log }: Actor): Promise<void> {
  const { stop, cwd } = fault;
  if ('command' in stop) await runShell(stop.command, { cwd, env, log }, STOP_LIMIT);
  else if (!signalTo(host, stop, 'SIGTERM'))
    throw new Error(`process ${stop.pid} was gone already`);
  const gone = async () =>
    'command' in stop ? (await liveness(fault, 500)) === 'down' : !isAlive(stop);
  await waitFor(
    gone,
    STOP_LIMIT,
    `it still runs ${STOP_LIMIT / 1_000} s after it was told to stop`,
  );
}

/**
 * Starts the target unless it answers, and returns when it answers. Safe to repeat.
 * `settled` tells that a stop has either taken effect or was never sent; otherwise one that is
 * still on its way is waited for, since a server that is about to end still answers.
 */
export async function restore(fault: Fault, { env, log }: Actor, settled: boolean): Promise<void> {
  const { stop, cwd, start } = fault;
  if (!settled) {
    const deadline = performance.now() + START_AGAIN;
    while (performance.now() < deadline && ('command' in stop || isAlive(stop))) {
      if ('command' in stop && (await liveness(fault, 500)) === 'down') break;
      await sleep(20);
    }
  }
  let launched = Number.NEGATIVE_INFINITY;
  let failure = '';
  const back = async () => {
    const state = await liveness(fault, 500);
    if (state === 'up') return true;
    if (state === 'down' && performance.now() - launched > START_AGAIN) {
      launched = performance.now();
      const child = launch(start, { cwd, env, log });
      child.once('error', (error) => {
        failure = `: ${messageOf(error)}`;
      });
      child.once('exit', (code) => {
        if (code) failure = `: the start command ended with exit code ${code}`;
      });
    }
    return false;
  };
  await waitFor(
    back,
    START_LIMIT,
    () => `it does not answer ${START_LIMIT / 1_000} s after its start${failure}`,
  );
}

/** Whether the target answers at all, without signing in: `loading` is on its way up. */
export async function liveness(
  { endpoint, tls }: Pick<Fault, 'endpoint' | 'tls'>,
  timeout: number,
): Promise<'up' | 'loading' | 'down'> {
  try {
    const channel = await openChannel(
      { endpoint, ...(tls && { tls: { rejectUnauthorized: false } }) },
      { timeout },
    );
    channel.close();
    return 'up';
  } catch (error) {
    const cause = error instanceof StageError ? error.cause : error;
    if (!(cause instanceof ReplyError)) return 'down';
    return cause.code === 'LOADING' ? 'loading' : 'up';
  }
}

async function waitFor(
  condition: () => Promise<boolean>,
  limit: number,
  reason: string | (() => string),
): Promise<void> {
  const deadline = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(typeof reason === 'string' ? reason : reason());
    await sleep(10);
  }
}
