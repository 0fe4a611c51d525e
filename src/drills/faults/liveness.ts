import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openChannel, StageError } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';
import type { Access } from '../../redis/target.js';
import type { Fault } from './fault.js';
import { postgresLiveness } from './postgres.js';

/** Longest time for a server to answer after its start: it may load a big file. */
const START_LIMIT = 60_000;

export type Place = Pick<Fault, 'endpoint' | 'tls' | 'postgres'>;

/** Whether the target answers at all, without signing in: `loading` is on its way up. */
export async function liveness(
  { endpoint, tls, postgres }: Place,
  timeout: number,
): Promise<'up' | 'loading' | 'down'> {
  if (!endpoint) return 'down';
  if (postgres) return postgresLiveness(endpoint, postgres, timeout);
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

/** Whether the target lets this user in and answers. */
export async function signsIn(access: Access, timeout: number): Promise<boolean> {
  try {
    (await openChannel(access, { timeout, withoutPing: true })).close();
    return true;
  } catch {
    return false;
  }
}

/** Returns when the target answers; throws with `why` when that takes longer than `limit` ms. */
export async function answering(
  place: Place,
  { limit = START_LIMIT, why = () => '' }: { limit?: number; why?: () => string } = {},
): Promise<void> {
  await waitFor(
    async () => (await liveness(place, 500)) === 'up',
    limit,
    () => `it does not answer after ${limit / 1_000} s${why()}`,
  );
}

export async function waitFor(
  condition: () => Promise<boolean>,
  limit: number,
  reason: () => string,
): Promise<void> {
  const deadline = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(reason());
    await sleep(10);
  }
}
