import { performance } from 'node:perf_hooks';
import { messageOf } from '../errors.js';
import { type RedisClient, withRedis } from '../redis/client.js';
import type { RedisTarget } from '../redis/target.js';
import {
  type Check,
  CLEAN_UP_LIMIT,
  type Run,
  report,
  type Subject,
  since,
  unlessAborted,
} from './check.js';
import { OwnKeys, reasonOf } from './keys.js';
import { checkOpen, skipAfter } from './redis.js';

/** Milliseconds to connect at most, however long an answer may take. */
const CONNECT_LIMIT = 10_000;

/** Connects to a Redis, checks it, and removes what that has written, interrupted or not. */
export async function checkRedis(target: RedisTarget, run: Run): Promise<Check[]> {
  const of: Subject = { subject: target.name, kind: 'redis' };
  run.signal.throwIfAborted();
  const start = performance.now();
  const opening = openingOf(run);
  try {
    return await opening.bound(
      withRedis(target, { timeout: run.timeout, signal: opening.signal }, async (client) => {
        // From here on an interruption must not cut the connection: the keys are removed over it.
        opening.done();
        const keys = new OwnKeys(client, `${run.keyPrefix}${target.name}:`);
        try {
          return await checkOpen(client, keys, run, of);
        } finally {
          await cleanUp(keys, target, run);
        }
      }),
    );
  } catch (error) {
    run.signal.throwIfAborted();
    if (opening.isDone) throw error;
    const detail = opening.signal.aborted
      ? `no connection within ${opening.limit} ms`
      : reasonOf(messageOf(error).replace(`${target.name}: `, ''), run.timeout);
    const ping = report(run, {
      ...of,
      check: 'ping',
      status: 'failed',
      ms: since(start),
      detail,
    });
    return [ping, ...skipAfter('ping', of, run, 'not connected')];
  }
}

/** The time until a connection is open: ended by the time limit or by the run's signal. */
function openingOf(run: Run) {
  const limit = Math.min(run.timeout, CONNECT_LIMIT);
  const controller = new AbortController();
  const end = () => controller.abort(run.signal.reason);
  const timer = setTimeout(end, limit);
  const settle = () => {
    clearTimeout(timer);
    run.signal.removeEventListener('abort', end);
  };
  run.signal.addEventListener('abort', end, { once: true });
  let isDone = false;
  return {
    limit,
    signal: controller.signal,
    get isDone() {
      return isDone;
    },
    done() {
      // A connection that opens after it was given up writes nothing.
      controller.signal.throwIfAborted();
      isDone = true;
      settle();
    },
    /** ioredis never settles connect() for a cluster that is in state fail, so it is raced. */
    bound<T>(work: Promise<T>): Promise<T> {
      return unlessAborted(controller.signal, work).finally(settle);
    },
  };
}

/** Over the open connection first: a SET that is still under way there comes before the DEL. */
async function cleanUp(keys: OwnKeys, target: RedisTarget, run: Run): Promise<void> {
  let reason = '';
  const attempt = (client?: RedisClient) =>
    unlessAborted(AbortSignal.timeout(CLEAN_UP_LIMIT / 2), keys.removeAll(client)).catch(
      (error: unknown) => {
        reason = messageOf(error);
      },
    );
  await attempt();
  if (keys.left.length === 0) return;
  // The connection broke: a new one may do.
  const limit = AbortSignal.timeout(CLEAN_UP_LIMIT / 2);
  await unlessAborted(
    limit,
    withRedis(target, { timeout: CLEAN_UP_LIMIT / 2, signal: limit }, attempt),
  ).catch((error: unknown) => {
    reason = messageOf(error);
  });
  for (const key of keys.left) run.onLeftover({ subject: target.name, kind: 'redis', key, reason });
}
