import { createHash } from 'node:crypto';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readPostgres } from '../../src/postgres/client.js';
import { fingerprint as redisFingerprint } from '../queues/bullmq.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { configured } from './estate.js';

let redis: RedisServer;
let postgres: PostgresServer;
beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
});
afterAll(() => Promise.all([redis.stop(), postgres.stop()]));

function estate() {
  return configured({
    redis: { main: { url: redis.url, roles: ['cache', 'queue'] } },
    postgres: { main: postgres.url },
    queues: [
      { engine: 'bullmq', redis: 'main', prefix: '{app:eu}' },
      { engine: 'pgboss', postgres: 'main' },
    ],
  });
}

/** Waits for a worker that holds its first job for as long as the test lasts. */
async function busyWorker(connection: { port: number }): Promise<Worker> {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const worker = new Worker('mail', () => held, { connection, prefix: '{app:eu}' });
  onTestFinished(async () => {
    release();
    await worker.close();
  });
  await worker.waitUntilReady();
  return worker;
}

/** Everything that a reader might change: values, times to live, rows, tables. */
async function fingerprint(): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(await redisFingerprint(redis.port)));
  const session = new pg.Client(postgres.url);
  await session.connect();
  const tables = await session.query(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`);
  for (const { name } of tables.rows) {
    const { rows } = await session.query(`SELECT t.xmin, t.* FROM ${name} t ORDER BY t::text`);
    hash.update(name).update(JSON.stringify(rows));
  }
  await session.end();
  return hash.digest('hex');
}

describe('health of queues', () => {
  it('counts what BullMQ itself counts, and finds its worker', async () => {
    const connection = { host: '127.0.0.1', port: redis.port };
    const queue = new Queue('mail', { connection, prefix: '{app:eu}' });
    onTestFinished(() => queue.close());
    await busyWorker(connection);
    await queue.add('first', {});
    await until(async () => (await queue.getActiveCount()) === 1);
    await queue.add('old', {}, { timestamp: Date.now() - 3_600_000 });
    await queue.addBulk([
      { name: 'new', data: {} },
      { name: 'newer', data: {} },
      { name: 'newest', data: {} },
      { name: 'urgent', data: {}, opts: { priority: 1 } },
      { name: 'later', data: {}, opts: { delay: 60_000 } },
    ]);
    const { result } = await estate().health();
    const line = result.queues.find(({ queue: name }) => name === 'mail');
    expect(line).toMatchObject({
      engine: 'bullmq',
      source: 'main',
      scope: '{app:eu}',
      waiting: 5,
      active: 1,
      delayed: 1,
      failed: 0,
      completed: 0,
      paused: false,
      workers: 1,
      status: 'warn',
      findings: [{ metric: 'oldest_waiting' }],
    });
    expect(line?.oldest_waiting_ms).toBeGreaterThanOrEqual(3_600_000);
    expect(line?.oldest_waiting_ms).toBeLessThan(3_700_000);
    await queue.pause();
    const { result: later } = await estate().health();
    expect(later.queues[0]).toMatchObject({
      paused: true,
      waiting: 5,
      findings: [{ metric: 'paused', status: 'warn' }],
    });
  });

  it('reads queues with a colon in their name, and leaves keys alone that only look like one', async () => {
    const client = new Redis(redis.port);
    onTestFinished(() => client.disconnect());
    // BullMQ refuses such names today; older estates have them.
    await client.hset('{app:eu}:asl:title-screening:meta', 'opts.maxLenEvents', '10000');
    await client.lpush('{app:eu}:asl:title-screening:wait', '1', '0:0');
    await client.hset('{app:eu}:asl:title-screening:1', 'timestamp', String(Date.now() - 5_000));
    await client.hset('{app:eu}:somebody:meta', 'else', '1');
    await client.set('{app:eu}:text:meta', 'x');
    const { result } = await estate().health();
    const names = result.queues.filter(({ engine }) => engine === 'bullmq').map((l) => l.queue);
    expect(names).toContain('asl:title-screening');
    expect(names).not.toContain('somebody');
    expect(names).not.toContain('text');
    const line = result.queues.find(({ queue }) => queue === 'asl:title-screening');
    expect(line).toMatchObject({ workers: 0, findings: [{ metric: 'workers', status: 'warn' }] });
    expect(line?.oldest_waiting_ms).toBeGreaterThanOrEqual(5_000);
  });

  it('finds pg-boss by its tables and counts its jobs', async () => {
    const boss = new PgBoss({ connectionString: postgres.url, schema: 'platform_schema' });
    boss.on('error', () => {});
    await boss.start();
    onTestFinished(() => boss.stop({ graceful: false }));
    await boss.createQueue('empty');
    await boss.createQueue('asl:screening');
    for (let sent = 0; sent < 3; sent += 1) await boss.send('asl:screening', { sent });
    await boss.send('asl:screening', {}, { startAfter: 600 });
    const [taken] = await boss.fetch('asl:screening');
    const [failing] = await boss.fetch('asl:screening');
    await boss.fail('asl:screening', failing?.id ?? '', { why: 'test' });
    const { result } = await estate().health();
    expect(result.postgres[0]?.pgboss).toEqual([{ schema: 'platform_schema', version: 24 }]);
    const lines = result.queues.filter(({ engine }) => engine === 'pgboss');
    expect(lines).toMatchObject([
      // The failed one has attempts left: it waits for its retry.
      { queue: 'asl:screening', scope: 'platform_schema', active: 1, workers: null, paused: null },
      { queue: 'empty', waiting: 0, active: 0, oldest_waiting_ms: null, status: 'ok' },
    ]);
    expect((lines[0]?.waiting ?? 0) + (lines[0]?.delayed ?? 0)).toBe(3);
    await boss.complete('asl:screening', taken?.id ?? '');
  });

  it('writes nothing: not a key, a time to live, a row or a table', async () => {
    const { run } = estate();
    const before = await fingerprint();
    expect((await run(['health', '--sample', '10ms'])).code).toBe(0);
    expect(await fingerprint()).toBe(before);
  });

  it('says of queues whose store is away that it knows nothing', async () => {
    const gone = configured({
      redis: { main: 'redis://127.0.0.1:1' },
      postgres: { main: 'postgres://app:s3cr3t@127.0.0.1:1/app' },
      queues: [
        { engine: 'bullmq', redis: 'main' },
        { engine: 'pgboss', postgres: 'main', schema: 'jobs' },
      ],
    });
    const { code, stdout } = await gone.run(['health', '--json']);
    const result = JSON.parse(stdout);
    expect(code).toBe(3);
    expect(result.queues).toMatchObject([
      { engine: 'bullmq', queue: null, status: 'unknown', waiting: null },
      { engine: 'pgboss', scope: 'jobs', queue: null, status: 'unknown', waiting: null },
    ]);
    expect(result.postgres[0].findings[0].message).toMatch(/^connection refused/);
    expect(stdout).not.toContain('s3cr3t');
  });
});

describe('health of Postgres', () => {
  it('says its version, connections and latency', async () => {
    const { result } = await estate().health('main');
    expect(result.postgres[0]).toMatchObject({
      target: 'main',
      address: `127.0.0.1:${postgres.port}/postgres`,
      status: 'ok',
      version: expect.stringMatching(/^\d+\.\d+/),
      connections: { limit: 100 },
    });
    expect(result.postgres[0]?.connections.used).toBeGreaterThanOrEqual(1);
    expect(result.postgres[0]?.latency_ms).toBeGreaterThan(0);
  });

  it.each([
    [
      'a database that is not there',
      (url: string) => url.replace(/postgres$/, 'nope'),
      /does not exist/,
    ],
    [
      'a user that is not there',
      (url: string) => url.replace('postgres@', 'nobody@'),
      /role "nobody"|password/,
    ],
  ])('explains %s', async (_, change, expected) => {
    const { health } = configured({ postgres: { main: change(postgres.url) } });
    const { code, result } = await health();
    expect(code).toBe(3);
    expect(result.postgres[0]?.findings[0]?.message).toMatch(expected);
  });

  it('reads in a transaction that the server itself keeps from writing', async () => {
    const target = { name: 'main', url: postgres.url, address: '' };
    const write = readPostgres(target, { timeout: 5_000 }, (query) => query('CREATE TABLE x ()'));
    await expect(write).rejects.toThrow('read-only transaction');
  });

  it('waits for one that hangs no longer than the time limit, and shows the rest', async () => {
    process.kill(postgres.pid, 'SIGSTOP');
    onTestFinished(() => void process.kill(postgres.pid, 'SIGCONT'));
    const { code, result } = await estate().health('--timeout', '500ms');
    process.kill(postgres.pid, 'SIGCONT');
    expect(code).toBe(3);
    expect(result.postgres[0]?.findings[0]?.message).toBe('no answer within 500 ms');
    expect(result.redis[0]?.status).toBe('ok');
  });
});
