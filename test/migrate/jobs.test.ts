import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { bullmq, LIBRARIES } from '../queues/bullmq-writing.js';
import { estate, WRITABLE } from '../queues/pgboss.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { migrating } from './estate.js';

let server: RedisServer;
let redis: Redis;
let postgres: PostgresServer;
beforeAll(async () => {
  [server, postgres] = await Promise.all([startRedis(), startPostgres()]);
  redis = new Redis(server.url, { maxRetriesPerRequest: null });
});
afterAll(async () => {
  redis.disconnect();
  await Promise.all([server.stop(), postgres.stop()]);
});

/** A memory queue as an application dumps it. */
function jobs(queue: string, due = Date.now() + 60_000) {
  const job = (id: string, more: object = {}) => ({
    id,
    queue,
    name: 'screen',
    status: 'pending',
    data: { paper: id },
    ...more,
  });
  return [
    job('first'),
    job('second'),
    job('urgent', { priority: 2 }),
    job('later', { runAt: new Date(due).toISOString() }),
    job('busy', { status: 'processing' }),
    job('done', { status: 'completed' }),
    job('first', { data: { paper: 'again' } }),
    { id: 'homeless', status: 'pending' },
  ];
}

describe.each(LIBRARIES)('to %s', (library) => {
  it('workers get every job once, in order, delayed and by priority; a second run adds nothing', async () => {
    await redis.flushall();
    const { Queue, Worker } = bullmq(library);
    const connection = { host: '127.0.0.1', port: server.port, maxRetriesPerRequest: null };
    const queue = new Queue('title-screening', { connection });
    await queue.waitUntilReady();
    const site = migrating(server.url, { queues: [{ engine: 'bullmq', redis: 'main' }] });
    const flags = ['--to', 'redis:main', '--kind', 'jobs', '--include-running'];
    const due = Date.now() + 2_500;
    const from = site.file('jobs.ndjson', jobs('title-screening', due));
    const { code, result, items } = await site.json(['plan', '--from', from, ...flags]);
    expect([code, result.entries, result.past]).toEqual([4, 5, 1]);
    expect(items.map(({ problem }) => problem)).toEqual(['duplicate', 'no_queue']);
    const applied = await site.json(['apply', result.id, '--yes']);
    expect(applied.result.counts).toMatchObject({ written: 5, created: 5 });

    const got: [string, unknown][] = [];
    const worker = new Worker(
      'title-screening',
      async (job) => {
        got.push([job.id as string, job.data]);
        if (job.id === 'later') expect(Date.now()).toBeGreaterThanOrEqual(due - 50);
      },
      { connection },
    );
    worker.on('error', () => {});
    onTestFinished(async () => {
      await worker.close(true);
      await queue.close();
    });
    await until(() => got.length === 5, { what: 'all five jobs' });
    // BullMQ takes those without a priority first.
    const ids = got.map(([id]) => id);
    expect(ids.filter((id) => id !== 'later')).toEqual(['first', 'second', 'busy', 'urgent']);
    expect(got.find(([id]) => id === 'busy')?.[1]).toEqual({
      paper: 'busy',
      _migrated: { was_running: true },
    });
    await until(async () => (await queue.getCompletedCount()) === 5);
    expect((await site.json(['verify', result.id])).code).toBe(0);

    const second = await site.json(['apply', result.id, '--yes']);
    expect(second.result.counts).toMatchObject({ written: 0, created: 5 });
    const other = await site.json(['plan', '--from', from, ...flags]);
    const third = await site.json(['apply', other.result.id, '--yes']);
    expect(third.result.counts).toMatchObject({ written: 0, equal: 5 });
    expect(await queue.getJobCounts('waiting', 'prioritized', 'delayed')).toMatchObject({
      waiting: 0,
      prioritized: 0,
      delayed: 0,
    });
  });

  it('a rollback takes back what no worker has had', async () => {
    await redis.flushall();
    const { Queue, Worker } = bullmq(library);
    const connection = { host: '127.0.0.1', port: server.port, maxRetriesPerRequest: null };
    const queue = new Queue('mail', { connection });
    await queue.add('theirs', {}, { jobId: 'second' });
    const site = migrating(server.url);
    const id = await site.plan(site.file('jobs.ndjson', jobs('mail')), '--kind', 'jobs');
    expect((await site.json(['apply', id, '--yes'])).result.counts).toMatchObject({
      written: 3,
      equal: 1,
    });
    const worker = new Worker('mail', null, { connection, autorun: false });
    onTestFinished(async () => {
      await worker.close(true);
      await queue.close();
    });
    const taken = [await worker.getNextJob('a'), await worker.getNextJob('a')];
    expect(taken.map((job) => job?.id)).toEqual(['second', 'first']);
    const { code, result, items } = await site.json(['rollback', id, '--yes']);
    expect([code, result.counts]).toEqual([4, { removed: 2, started: 1, gone: 0 }]);
    expect(items).toMatchObject([{ id: 'first' }]);
    expect(await queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active')).toMatchObject({
      waiting: 0,
      prioritized: 0,
      delayed: 0,
      active: 2,
    });
  });
});

it('to BullMQ under a name with colons: a running one only when it is asked for', async () => {
  await redis.flushall();
  const site = migrating(server.url);
  const file = site.file('jobs.ndjson', jobs('asl:title-screening'));
  const id = await site.plan(file, '--kind', 'jobs');
  await site.json(['apply', id, '--yes']);
  expect(await redis.lrange('bull:asl:title-screening:wait', 0, -1)).toEqual(['second', 'first']);
  expect(await redis.exists('bull:asl:title-screening:busy')).toBe(0);
  expect(await redis.exists('bull:asl:title-screening:meta')).toBe(0);
});

describe.each(WRITABLE)('to pg-boss %s', (version) => {
  it('workers get every job once; a second run adds nothing; a rollback takes back the rest', async () => {
    const { boss, schema, sql } = await estate(postgres.url, version, {
      screening: { retryLimit: 7 },
    });
    const site = migrating(server.url, {
      postgres: { main: { url: postgres.url } },
      queues: [{ engine: 'pgboss', postgres: 'main', schema }],
    });
    const flags = ['--to', 'postgres:main', '--kind', 'jobs', '--include-running'];
    const all = [...jobs('screening'), { id: 'lost', queue: 'nowhere', status: 'pending' }];
    const from = site.file('jobs.ndjson', all);
    const { result } = await site.json(['plan', '--from', from, ...flags]);
    expect(result).toMatchObject({ bytes: { memory: null }, memory: { ratio_after: null } });
    const said = await site.migrate(['plan', '--from', from, ...flags], {
      tty: true,
      columns: 120,
    });
    expect(said.stdout).toContain('no limit of memory: how full it gets is not checked');
    const applied = await site.json(['apply', result.id, '--yes']);
    expect(applied.result.counts).toMatchObject({ written: 5, created: 5, no_queue: 1 });
    expect([applied.code, applied.items]).toMatchObject([
      4,
      [{ id: 'lost', reason: 'there is no queue nowhere' }],
    ]);
    const rows = await sql('SELECT retry_limit, keep_until > now() AS kept FROM $S.job');
    expect(rows).toEqual(Array(5).fill({ retry_limit: 7, kept: true }));

    const fetched = async () =>
      ((await boss.fetch('screening', { batchSize: 2 })) as { data: { paper: string } }[]).map(
        ({ data }) => data.paper,
      );
    expect((await fetched()).sort()).toEqual(['first', 'urgent']);
    const second = await site.json(['apply', result.id, '--yes']);
    expect(second.result.counts).toMatchObject({ written: 0, created: 5 });
    const again = await site.json(['plan', '--from', from, ...flags]);
    expect(again.result).toMatchObject({ equal: 5, absent: 1 });
    const back = await site.json(['rollback', result.id, '--yes']);
    expect(back.result.counts).toEqual({ removed: 3, started: 2, gone: 0 });
    expect(await sql("SELECT state::text FROM $S.job WHERE name = 'screening'")).toEqual(
      Array(2).fill({ state: 'active' }),
    );
  });
});
