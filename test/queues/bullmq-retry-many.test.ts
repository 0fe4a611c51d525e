import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { LIBRARIES, type Site, site } from './bullmq-writing.js';

let server: RedisServer;
let open: Site[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  await open[0]?.redis.flushall();
  for (const one of open) await one.close();
  open = [];
});
afterAll(() => server.stop());

const RETRY = { type: 'retry' } as const;
const IDS = Array.from({ length: 150 }, (_, n) => `job-${n}`);

/** The jobs that a filter has chosen stand one after another in the list of failed ones, or with gaps. */
const CHOSEN = {
  'that stand one after another': IDS,
  'with others between them': IDS.filter((_, n) => n % 3 !== 1),
};

describe.each(LIBRARIES)('retry on %s of jobs', (library) => {
  async function failed() {
    const one = site(server.url, library, 'mail');
    open.push(one);
    const { queue, redis, base, work } = one;
    await queue.addBulk(
      IDS.map((jobId, n) => ({
        name: 'send',
        data: { fail: 'no' },
        opts: { jobId, ...(n % 10 === 0 && { priority: 3 }) },
      })),
    );
    await work();
    // In the order of their numbers, each with a time of its own.
    for (const [n, id] of IDS.entries()) {
      await redis.zadd(`${base}failed`, String(1_000_000 + n), id);
      await redis.hset(base + id, 'finishedOn', String(1_000_000 + n));
    }
    return one;
  }
  const choose = (ids: readonly string[]) =>
    ids.map((id) => ({ id, seen: String(1_000_000 + Number(id.slice(4))) }));
  /** Of every job where it waits: exactly once, or not at all. */
  const waiting = async ({ redis, base }: Site) =>
    [
      ...(await redis.lrange(`${base}wait`, 0, -1)),
      ...(await redis.zrange(`${base}prioritized`, '0', '-1')),
    ].sort();

  it.each(Object.entries(CHOSEN))('%s moves these and no others', async (_, ids) => {
    const one = await failed();
    const outcomes = await one.engine.apply(one.ref, RETRY, choose(ids));
    expect(outcomes.map(({ id }) => id)).toEqual(ids);
    expect(outcomes.map(({ result, detail }) => `${result}: ${detail}`)).toEqual(
      ids.map((id) => `done: waiting${Number(id.slice(4)) % 10 === 0 ? ', priority 3' : ''}`),
    );
    expect(await waiting(one)).toEqual(ids.toSorted());
    const left = await one.redis.zrange(`${one.base}failed`, '0', '-1');
    expect(left).toEqual(IDS.filter((id) => !ids.includes(id)));
  });

  it.each(Object.entries(CHOSEN))(
    '%s leaves those alone that were moved by hand, their hashes as they were',
    async (_, ids) => {
      const one = await failed();
      const { redis, base, engine, ref } = one;
      // As people do who know redis-cli and not BullMQ: it must not wait twice.
      const moved = ['job-0', 'job-75', 'job-149'].filter((id) => ids.includes(id));
      for (const id of moved) {
        await redis.zrem(`${base}failed`, id);
        await redis.lpush(`${base}wait`, id);
      }
      const outcomes = await engine.apply(ref, RETRY, choose(ids));
      const others = outcomes.filter(({ result }) => result !== 'done');
      expect(others.map(({ id, detail }) => [id, detail])).toEqual(
        moved.map((id) => [id, 'not failed any more']),
      );
      expect(await waiting(one)).toEqual(ids.toSorted());
    },
  );

  it.each(Object.entries(CHOSEN))(
    '%s leaves those alone that have failed anew meanwhile',
    async (_, ids) => {
      const one = await failed();
      const { redis, base, engine, ref } = one;
      await redis.hset(`${base}job-75`, 'finishedOn', '2000000');
      await redis.zadd(`${base}failed`, '2000000', 'job-75');
      const outcomes = await engine.apply(ref, RETRY, choose(ids));
      const others = outcomes.filter(({ result }) => result !== 'done');
      expect(others).toMatchObject([{ id: 'job-75', result: 'raced', detail: 'failed anew' }]);
      expect(await redis.zscore(`${base}failed`, 'job-75')).toBe('2000000');
      expect(await redis.hget(`${base}job-75`, 'failedReason')).toBe('no');
    },
  );
});
