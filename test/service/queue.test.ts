import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createPool } from '../../src/service/connection/postgres.js';
import { BullmqQueue } from '../../src/service/queue/bullmq.js';
import { MemoryQueue } from '../../src/service/queue/memory.js';
import { PgbossQueue } from '../../src/service/queue/pgboss.js';
import type { JobQueue } from '../../src/service/queue/types.js';
import { freePort } from '../servers/ports.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

let postgres: PostgresServer;
let redis: RedisServer;
let pool: pg.Pool;
beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  pool = createPool({ url: postgres.url, max: 20 });
});
afterAll(async () => {
  await pool.end();
  await Promise.all([postgres.stop(), redis.stop()]);
});

const engines: Record<string, (name: string) => JobQueue> = {
  memory: () => new MemoryQueue(),
  redis: (name) =>
    new BullmqQueue({
      address: { host: redis.host, port: redis.port, db: 0 },
      name,
      keyPrefix: 'test:',
      onError() {},
    }),
  pgboss: (name) => new PgbossQueue({ pool, name, onError() {}, pollMs: 50 }),
};

describe.each(Object.entries(engines))('a queue on %s', (engine, open) => {
  function queue(): JobQueue {
    const one = open(`dc:${randomUUID()}`);
    onTestFinished(() => one.close(0));
    return one;
  }

  it('does a job, shows its progress and keeps its result', async () => {
    const jobs = queue();
    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const id = await jobs.push({ paper: 1 });
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempts: 0 });
    await jobs.process(async ({ data, progress }) => {
      await progress({ percent: 40, message: 'reading' });
      await held;
      return { read: data };
    });
    await until(async () => (await jobs.get(id))?.progress.percent === 40);
    expect(await jobs.get(id)).toMatchObject({
      state: 'processing',
      progress: { message: 'reading' },
      attempts: 1,
    });
    goOn();
    await until(async () => (await jobs.get(id))?.state === 'completed');
    expect(await jobs.get(id)).toMatchObject({ result: { read: { paper: 1 } } });
    expect(await jobs.retry(id)).toBe(false);
    expect(await jobs.cancel(id)).toBe(false);
    expect(await jobs.get('no-such-job')).toBeUndefined();
  });

  it('takes an id of the caller once', async () => {
    const jobs = queue();
    expect(await jobs.push({ n: 1 }, { id: 'import-7' })).toBe('import-7');
    await jobs.push({ n: 2 }, { id: 'import-7' });
    const seen: unknown[] = [];
    await jobs.process(async ({ data, id }) => void seen.push([id, data]));
    await until(async () => (await jobs.get('import-7'))?.state === 'completed');
    expect(seen).toEqual([['import-7', { n: 1 }]]);
  });

  it('waits for its time, and takes the more urgent first', async () => {
    const jobs = queue();
    const seen: unknown[] = [];
    await jobs.push('late', { delayMs: 300 });
    await jobs.push('plain');
    await jobs.push('urgent', { priority: 5 });
    const start = performance.now();
    await jobs.process(async ({ data }) => void seen.push(data));
    await until(() => seen.length === 3);
    expect(performance.now() - start).toBeGreaterThan(200);
    // Without a priority BullMQ counts a job as the most urgent.
    expect(seen).toEqual(
      engine === 'redis' ? ['plain', 'urgent', 'late'] : ['urgent', 'plain', 'late'],
    );
  });

  it('cancels a job that waits and one that runs', async () => {
    const jobs = queue();
    const waiting = await jobs.push({}, { delayMs: 3_600_000 });
    expect(await jobs.cancel(waiting)).toBe(true);
    expect((await jobs.get(waiting))?.state).toBe('cancelled');
    let told = false;
    const running = await jobs.push({});
    await jobs.process(
      ({ signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            told = true;
            reject(signal.reason);
          }),
        ),
    );
    await until(async () => (await jobs.get(running))?.state === 'processing');
    expect(await jobs.cancel(running)).toBe(true);
    await until(() => told);
    await until(async () => (await jobs.get(running))?.state === 'cancelled');
  });
});

it('a job that failed three times stays failed, until it is retried', async () => {
  const jobs = new MemoryQueue({ backoffMs: 5 });
  onTestFinished(() => jobs.close(0));
  let fails = true;
  await jobs.process(async () => {
    if (fails) throw new Error('no text layer');
    return 'ok';
  });
  const id = await jobs.push({});
  await until(async () => (await jobs.get(id))?.state === 'failed');
  expect(await jobs.get(id)).toMatchObject({ attempts: 3, error: 'no text layer' });
  fails = false;
  expect(await jobs.retry(id)).toBe(true);
  await until(async () => (await jobs.get(id))?.state === 'completed');
});

it('pgboss: a failed job that is retried is not taken for an old one', async () => {
  const jobs = new PgbossQueue({ pool, name: 'retried', onError() {}, pollMs: 20 });
  onTestFinished(() => jobs.close(0));
  const id = await jobs.push({});
  await pool.query(
    "UPDATE platform_schema.job SET state = 'failed', completed_on = now() - interval '2 days', keep_until = now() - interval '1 day' WHERE name = 'retried'",
  );
  expect(await jobs.retry(id)).toBe(true);
  const { rows } = await pool.query(
    "SELECT completed_on, keep_until > now() AS kept FROM platform_schema.job WHERE name = 'retried'",
  );
  expect(rows).toEqual([{ completed_on: null, kept: true }]);
});

it('pgboss: queues that are opened at once, by several processes, do not stand in each other’s way', async () => {
  const schema = `fresh_${randomUUID().slice(0, 8)}`;
  const pools = [pool, createPool({ url: postgres.url })];
  onTestFinished(() => pools[1]?.end());
  const queues = Array.from({ length: 8 }, (_, n) => {
    const queue = new PgbossQueue({
      ...{ pool: pools[n % 2] as pg.Pool, name: `q${n}`, schema },
      onError() {},
    });
    onTestFinished(() => queue.close(0));
    return queue;
  });
  const pushed = await Promise.allSettled(queues.map((queue) => queue.push({})));
  expect(pushed.filter(({ status }) => status === 'rejected')).toEqual([]);
});

it('redis: pushing while Redis is away is refused within seconds, not stored in memory', async () => {
  const address = { host: '127.0.0.1', port: await freePort(), db: 0 };
  const jobs = new BullmqQueue({ address, name: 'away', keyPrefix: 'test:', onError() {} });
  onTestFinished(() => jobs.close(0));
  const start = performance.now();
  await expect(jobs.push({})).rejects.toThrow();
  expect(performance.now() - start).toBeLessThan(5_000);
});
