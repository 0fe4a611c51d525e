import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.js';
import { isAlive, signalTo } from '../../state/identity.js';
import type { Actor, Breaker } from './breaker.js';
import type { Fault, WayOf } from './fault.js';
import { answering, liveness, waitFor } from './liveness.js';
import { launch, runShell } from './shell.js';

/** Longest time for a server to stop: with a big data set it writes a file first. */
const STOP_LIMIT = 30_000;
const START_LIMIT = 60_000;
const START_AGAIN = 3_000;

/** One shell command breaks the target and another makes it good. */
export const commandBreaker: Breaker<WayOf<'command'>> = {
  async inject(fault, { stop }, { env, log }) {
    await runShell(stop, { cwd: fault.cwd, env: environment(fault, env), log }, STOP_LIMIT);
    await stopped(async () => (await liveness(fault, 500)) === 'down');
    return undefined;
  },
  async restore(fault, { start }, actor, settled) {
    // A stop that is still on its way is waited for: a server that is about to end still answers.
    if (!settled) await within(async () => (await liveness(fault, 500)) === 'down');
    await startAgain(fault, start, actor);
  },
  words: ({ stop, start }) => ({ breaks: stop, mends: start }),
};

/** A signal to a process of this machine, and a command that starts it again. */
export const processBreaker: Breaker<WayOf<'process'>> = {
  async inject(_, way, { host }) {
    if (!signalTo(host, way, way.signal)) throw new Error(`process ${way.pid} was gone already`);
    await stopped(async () => !isAlive(way));
    return undefined;
  },
  async restore(fault, way, actor, settled) {
    if (!settled) await within(async () => !isAlive(way));
    await startAgain(fault, way.start, actor);
  },
  words: ({ pid, signal, start }) => ({ breaks: `${signal} to process ${pid}`, mends: start }),
};

function stopped(condition: () => Promise<boolean>): Promise<void> {
  return waitFor(
    condition,
    STOP_LIMIT,
    () => `it still runs ${STOP_LIMIT / 1_000} s after it was told to stop`,
  );
}

async function within(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + START_AGAIN;
  while (performance.now() < deadline && !(await condition())) await sleep(20);
}

/** Starts the target unless it answers, and returns when it answers. */
async function startAgain(fault: Fault, start: string, { env, log }: Actor): Promise<void> {
  let launched = Number.NEGATIVE_INFINITY;
  let failure = '';
  const look = async () => {
    if ((await liveness(fault, 500)) !== 'down') return true;
    if (performance.now() - launched > START_AGAIN) {
      launched = performance.now();
      const child = launch(start, { cwd: fault.cwd, env: environment(fault, env), log });
      child.once('error', (error) => {
        failure = `: ${messageOf(error)}`;
      });
      child.once('exit', (code) => {
        if (code) failure = `: the start command ended with exit code ${code}`;
      });
    }
    return false;
  };
  await waitFor(look, START_LIMIT, () => `it does not answer after its start${failure}`);
  await answering(fault, { why: () => failure });
}

/** A command may be the same for many nodes: it is told which one is meant. */
function environment({ endpoint }: Fault, env: Actor['env']): Actor['env'] {
  if (!endpoint || !('host' in endpoint)) return env;
  return { ...env, CACHE_OPS_HOST: endpoint.host, CACHE_OPS_PORT: String(endpoint.port) };
}
