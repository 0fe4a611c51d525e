import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { newestJobs, newestOf } from '../../src/queues/listing.js';
import { JOB_STATES, type JobState, type QueueRef } from '../../src/queues/queue.js';
import { actingOn } from '../commands/queue-acting.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { operator, populate } from './bullmq.js';
import { LIBRARIES } from './bullmq-writing.js';
import { failedJobs } from './failed.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());

/** What reading each queue on its own and merging gives. */
async function oneByOne(
  engine: ReturnType<typeof operator>,
  queues: readonly QueueRef[],
  states: readonly JobState[],
  limit: number,
) {
  const found = [];
  for (const ref of queues)
    found.push(await newestJobs({ engine, ref } as never, { states }, limit));
  const all = newestOf(
    found.flatMap(({ jobs }) => jobs),
    limit,
  );
  return { jobs: all.jobs, more: all.more || found.some(({ more }) => more) };
}

it('the newest jobs of several queues are those that each queue on its own has', async () => {
  const engine = operator(server.url);
  const connection = { host: '127.0.0.1', port: server.port };
  const queues: QueueRef[] = [];
  for (const library of LIBRARIES) {
    for (const prefix of ['bull', '{app:eu}']) {
      const estate = await populate(library, `jobs-${library}`, connection, prefix);
      await estate.close();
      queues.push(engine.ref(`jobs-${library}`, prefix));
    }
  }
  // The newest of all, but for one that has no hash, one that is none and one of another type.
  const odd = 'bull:jobs-bullmq:';
  const soon = Date.now() + 60_000;
  await redis.zadd(`${odd}completed`, soon, 'ghost', soon + 1, 'text');
  await redis.set(`${odd}text`, 'no hash');
  await redis.lpush(`${odd}wait`, '0:0', 'ghost-2');
  await redis.set('bull:jobs-bullmq5:paused', 'no list');
  // Of the same millisecond either may come first.
  const shape = ({ jobs, more }: Awaited<ReturnType<typeof oneByOne>>) => ({
    more,
    times: jobs.map(({ finished_at, created_at }) => finished_at ?? created_at ?? 0),
    problems: jobs.flatMap(({ problem, id }) => (problem ? [`${problem} ${id}`] : [])).sort(),
  });
  for (const states of [JOB_STATES, ['failed'], ['waiting', 'active'], ['completed']] as const) {
    for (const limit of [5, 30, 200]) {
      const expected = await oneByOne(engine, queues, states, limit);
      const found = await engine.newest?.(queues, states, limit);
      if (!found) throw new Error('it reads them together');
      expect(shape(found), `${states}, ${limit}`).toEqual(shape(expected));
      if (limit < 200) continue;
      const sorted = ({ jobs }: typeof found) =>
        jobs.toSorted((a, b) => (a.scope + a.queue + a.id < b.scope + b.queue + b.id ? -1 : 1));
      expect(sorted(found)).toEqual(sorted(expected));
    }
  }
  engine.close();
});

it('a page of many queues reads whole jobs for the page only', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `queue-${index}`);
  for (const [index, name] of names.entries())
    await (await failedJobs(redis, name, 40, { now: 1_000_000 + index * 10 })).close();
  const { run } = actingOn(server);
  await run(['queue', 'ls']);
  await redis.config('RESETSTAT');
  const { code, stdout } = await run(['queue', 'jobs', '--limit', '20']);
  const times = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[11]);
  expect([code, times.length]).toEqual([0, 20]);
  expect(times).toEqual(times.toSorted().toReversed());
  expect(times[0]).toBe(new Date(1_000_000 + 29 * 10 + 39).toISOString());
  const [, calls] = /cmdstat_hmget:calls=(\d+)/.exec(await redis.info('commandstats')) ?? [];
  // One for each queue that is remembered, to see that it is still there.
  expect(Number(calls)).toBeLessThanOrEqual(names.length + 20);
});
