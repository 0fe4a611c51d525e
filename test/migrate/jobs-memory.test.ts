import type { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { bullmq, LIBRARIES } from '../queues/bullmq-writing.js';
import { startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { clientFor, migrating } from './estate.js';

const FLAGS = ['--to', 'redis:main', '--kind', 'jobs'];
const WAIT = 'bull:screening:wait';

/** So many jobs fit into it, and fill it by more than 80 %. */
const LIMIT = 5_700_000;
const MANY = 3_400;

/** Waiting jobs with 400 bytes of data each. */
const jobs = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, number) => ({
    id: `job-${number}`,
    queue: 'screening',
    name: 'screen',
    status: 'pending',
    data: { text: 'x'.repeat(389) },
    ...more,
  }));

/** A Redis of its own, which refuses writes when it is full. */
async function small(maxmemory = '0') {
  const server = await startRedis({
    config: [`maxmemory ${maxmemory}`, 'maxmemory-policy noeviction'],
  });
  onTestFinished(() => server.stop());
  return { server, redis: clientFor(server.url), site: migrating(server.url) };
}

async function used(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
}

it('jobs that would make a Redis more than 80 % full are refused without --allow-memory', async () => {
  const { redis, site } = await small(`${LIMIT}`);
  const from = site.file('jobs.ndjson', jobs(MANY));
  const { result: plan } = await site.json(['plan', '--from', from, ...FLAGS]);
  expect(plan).toMatchObject({
    absent: MANY,
    too_full: true,
    memory: { limit_bytes: LIMIT },
  });
  expect(plan.memory.ratio_after).toBeGreaterThan(0.8);
  expect(plan.bytes.memory).toBeGreaterThan(plan.bytes.values * 2);
  const { stdout } = await site.migrate(['plan', '--from', from, ...FLAGS], {
    tty: true,
    columns: 120,
  });
  expect(stdout).toMatch(/1\.\d+ MB of data, about \d\.\d+ MB of memory: .* would be 8\d.*% full/);
  expect(stdout).toContain('apply refuses that without --allow-memory');

  const refused = await site.json(['apply', plan.id, '--yes']);
  expect([refused.code, refused.error.message]).toEqual([6, expect.stringContaining('80 %')]);
  const dry = await site.json(['apply', plan.id, '--dry-run']);
  expect([dry.code, dry.result.dry_run]).toEqual([0, true]);
  expect(dry.result.ratio).toBeGreaterThan(0.8);
  expect(await redis.dbsize()).toBe(0);

  const allowed = await site.json(['apply', plan.id, '--yes', '--allow-memory']);
  expect([allowed.code, allowed.result.counts.written]).toEqual([0, MANY]);
  expect(await redis.llen(WAIT)).toBe(MANY);
});

it('where the jobs are there already nothing is refused, however full it is', async () => {
  const { redis, site } = await small(`${LIMIT}`);
  const from = site.file('jobs.ndjson', jobs(MANY));
  const id = await site.plan(from, '--kind', 'jobs');
  await site.json(['apply', id, '--yes', '--allow-memory']);
  expect(await used(redis)).toBeGreaterThan(0.8 * LIMIT);
  const again = await site.json(['apply', id, '--yes']);
  expect([again.code, again.result.counts.written]).toEqual([0, 0]);
  const { result: other } = await site.json(['plan', '--from', from, ...FLAGS]);
  expect(other).toMatchObject({ equal: MANY, too_full: false, bytes: { memory: 0 } });
  const third = await site.json(['apply', other.id, '--yes']);
  expect([third.code, third.result.counts]).toMatchObject([0, { written: 0, equal: MANY }]);
  expect(await redis.llen(WAIT)).toBe(MANY);

  await site.json(['rollback', id, '--yes']);
  expect(await redis.llen(WAIT)).toBe(0);
  expect((await site.json(['apply', id, '--yes'])).code).toBe(6);
});

it('what an interrupted run has added is not counted again when it goes on', async () => {
  const { redis, site } = await small();
  const id = await site.plan(site.file('jobs.ndjson', jobs(3_000)), '--kind', 'jobs');
  const abort = new AbortController();
  const running = site.json(['apply', id, '--yes', '--rate', '2000'], { signal: abort.signal });
  await until(async () => (await redis.llen(WAIT)) >= 1_000);
  abort.abort();
  await running;
  const added = await redis.llen(WAIT);
  expect(added).toBeLessThan(3_000);
  // All 3,000 would be too many: what is open is not.
  const job = 1_300;
  const limit = Math.round(((await used(redis)) + (3_000 - added) * job) / 0.79);
  await redis.config('SET', 'maxmemory', limit);
  const { code, result } = await site.json(['apply', id, '--yes', '--resume']);
  expect([code, result.counts.created]).toEqual([0, 3_000]);
  expect(await redis.llen(WAIT)).toBe(3_000);
});

it.each(LIBRARIES)('the plan says what the jobs would take if %s added them', async (library) => {
  const { server, redis, site } = await small();
  const due = Date.now() + 3_600_000;
  const kinds = [{}, { priority: 2 }, { runAt: new Date(due).toISOString() }];
  const connection = { host: '127.0.0.1', port: server.port, maxRetriesPerRequest: null };
  const queue = new (bullmq(library).Queue)('screening', {
    connection,
    defaultJobOptions: {
      attempts: 3,
      backoff: { type: 'exponential', delay: 2_000 },
      removeOnComplete: { count: 100 },
    },
  });
  onTestFinished(() => queue.close());
  await queue.waitUntilReady();
  for (const [at, kind] of kinds.entries()) {
    const some = jobs(4_000, kind).map((job) => ({ ...job, id: `${at}-${job.id}` }));
    const { result } = await site.json([
      ...['plan', '--from', site.file('jobs.ndjson', some)],
      ...FLAGS,
    ]);
    const before = await used(redis);
    const { priority, runAt } = kind as { priority?: number; runAt?: string };
    const opts = { ...(priority && { priority }), ...(runAt && { delay: due - Date.now() }) };
    for (let from = 0; from < some.length; from += 500)
      await queue.addBulk(
        some
          .slice(from, from + 500)
          .map(({ id, name, data }) => ({ name, data, opts: { ...opts, jobId: id } })),
      );
    const taken = (await used(redis)) - before;
    expect(Math.abs(result.bytes.memory / taken - 1)).toBeLessThan(0.15);
  }
});
