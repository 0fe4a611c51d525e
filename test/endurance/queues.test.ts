import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Site, site, startWorker } from '../queues/bullmq-writing.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

const JOBS = 100_000;
const PAGE = 1000;

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Half of them with another error, and priorities from none to 2. */
async function fill({ redis, queue, base }: Site) {
  await queue.waitUntilReady();
  for (let from = 0; from < JOBS; from += 5000) {
    const pipe = redis.pipeline();
    for (let at = from; at < from + 5000; at += 1) {
      const error = at % 2 === 0 ? 'connect ETIMEDOUT' : 'no such user';
      const job = { name: 'send', data: '{}', opts: '{"attempts":1}', timestamp: at + 1, atm: 1 };
      const state = { priority: at % 3, failedReason: error, finishedOn: at + 1 };
      pipe.hset(`${base}${at}`, { ...job, ...state }).zadd(`${base}failed`, `${at + 1}`, `${at}`);
    }
    await pipe.exec();
  }
}

it('retries every second of 100,000 failed jobs: each of them runs once, no other does', async () => {
  const one = site(server.url, 'bullmq', 'many');
  await fill(one);
  const ids = Array.from({ length: JOBS / 2 }, (_, index) => `${index * 2}`);
  for (let from = 0; from < ids.length; from += PAGE) {
    const outcomes = await one.apply({ type: 'retry' }, ...ids.slice(from, from + PAGE));
    expect(outcomes.filter(({ result }) => result !== 'done')).toEqual([]);
  }
  const worker = await startWorker('bullmq', 'many', server.url);
  await until(() => worker.ran().length >= ids.length, { timeout: 120_000, every: 200 });
  expect(new Set(worker.ran())).toEqual(new Set(ids));
  expect(worker.ran()).toHaveLength(ids.length);
  for (const { event, id, priority } of worker.lines) {
    if (event === 'began') expect(priority).toBe(Number(id) % 3);
  }
  expect(await one.queue.getFailedCount()).toBe(JOBS / 2);
  await worker.stop();
  await one.close();
}, 300_000);
