import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { nodeId, startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import { startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { keyOf, migrating, task, tasks } from './estate.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());

it('another Redis: keys of its prefix, with the time they have left', async () => {
  const old = await startRedis();
  onTestFinished(() => old.stop());
  const source = new Redis(old.url);
  onTestFinished(() => source.disconnect());
  for (const one of tasks(1_200))
    await source.set(
      `old:staging:task:import:${one.user}:${one.task}`,
      JSON.stringify({ status: one.status, updatedAt: one.updatedAt }),
      'EX',
      3_600,
    );
  await source.set('old:staging:task:import:only-one-part', '{"status":"x"}');
  await source.set('old:staging:task:import:a:b:c', '{"status":"x"}');
  await source.rpush('old:staging:task:import:u:list', 'x');
  await source.set('old:production:task:import:u:other', '{"status":"x"}');
  const before = await source.call('INFO', 'persistence');
  const site = migrating(server.url, {
    redis: { main: { url: server.url }, old: { url: old.url } },
  });
  const { code, result, items } = await site.json([
    ...['plan', '--from', 'redis:old', '--from-prefix', 'old:staging:', '--to', 'redis:main'],
  ]);
  expect([code, result.entries, items.map(({ problem }) => problem).sort()]).toEqual([
    4,
    1_200,
    ['unsafe', 'unsafe', 'wrong_type'],
  ]);
  expect((await site.json(['apply', result.id, '--yes'])).result.written).toBe(1_200);
  const ttl = await redis.ttl(keyOf(task(5)));
  expect(ttl > 3_500 && ttl <= 3_600).toBe(true);
  expect((await site.json(['verify', result.id])).code).toBe(0);
  const changes = (text: unknown) => /rdb_changes_since_last_save:(\d+)/.exec(String(text))?.[1];
  expect(changes(await source.call('INFO', 'persistence'))).toBe(changes(before));
});

it('the table app_cache: what has not expired', async () => {
  const postgres = await startPostgres();
  onTestFinished(() => postgres.stop());
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(`CREATE TABLE app_cache (id serial PRIMARY KEY, key varchar(500) UNIQUE,
    value jsonb, expires_at timestamptz, created_at timestamptz DEFAULT now())`);
  await client.query(`INSERT INTO app_cache (key, value, expires_at) VALUES
    ('app:test:chat:generate:u:a', '{"messages": [1]}', now() + interval '1 hour'),
    ('chat:search:u:b', '{"messages": []}', now() + interval '1 minute'),
    ('chat:search:u:gone', '{"messages": []}', now() - interval '1 minute'),
    ('chat:search:u', '{"messages": []}', now() + interval '1 minute'),
    ('asl:llm:x', '{}', now() + interval '1 minute')`);
  const site = migrating(server.url, { postgres: { main: { url: postgres.url } } });
  const { result, items } = await site.json([
    ...['plan', '--from', 'postgres:main', '--to', 'redis:main', '--kind', 'sessions'],
  ]);
  expect([result.entries, items]).toMatchObject([2, [{ problem: 'unsafe' }]]);
  await site.json(['apply', result.id, '--yes']);
  expect((await redis.keys('*')).sort()).toEqual([
    'app:test:chat:generate:u:a',
    'app:test:chat:search:u:b',
  ]);
  const ttl = await redis.ttl('app:test:chat:generate:u:a');
  expect(ttl > 3_500 && ttl <= 3_600).toBe(true);
  expect((await site.json(['verify', result.id])).code).toBe(0);
});

it('to a cluster: every key on its own master, conflicts and rollback too', async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  const seeds = cluster.masters.map(({ port }) => `127.0.0.1:${port}`);
  const site = migrating('', { redis: { main: { cluster: seeds } } });
  const id = await site.plan(site.file('tasks.ndjson', tasks(3_000)));
  expect((await site.json(['apply', id, '--yes'])).result.written).toBe(3_000);
  const verified = await site.json(['verify', id]);
  expect([verified.code, verified.result.counts.equal]).toEqual([0, 3_000]);
  const again = await site.json(['apply', id, '--yes']);
  expect([again.code, again.result.written]).toEqual([0, 0]);
  const { result } = await site.json(['rollback', id, '--yes']);
  expect(result.counts.removed).toBe(3_000);
});

it('from a cluster: every key once, and no plan while one of its slots moves', async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  const seeds = cluster.masters.map(({ port }) => `127.0.0.1:${port}`);
  const site = migrating(server.url, {
    redis: { main: { url: server.url }, old: { cluster: seeds } },
  });
  const there = new Redis.Cluster([{ host: '127.0.0.1', port: cluster.masters[0]?.port ?? 0 }]);
  onTestFinished(() => there.disconnect());
  for (const one of tasks(300)) await there.set(keyOf(one), JSON.stringify(one), 'EX', 3_600);
  const flags = ['plan', '--from', 'redis:old', '--to', 'redis:main'];
  expect((await site.json(flags)).result.entries).toBe(300);
  const [from, to] = cluster.masters as [RedisServer, RedisServer];
  await command(from.port, `CLUSTER SETSLOT 0 MIGRATING ${await nodeId(to)}`);
  const { code, error } = await site.json(flags);
  expect([code, error.message]).toEqual([5, expect.stringMatching(/slots of the cluster moved/)]);
}, 60_000);

it('back again: Redis to a file, which is read back to the same keys', async () => {
  const site = migrating(server.url);
  const id = await site.plan(site.file('tasks.ndjson', tasks(2_500)));
  await site.json(['apply', id, '--yes']);
  const { result } = await site.json(['plan', '--from', 'redis:main', '--to', 'back.ndjson']);
  expect(result.entries).toBe(2_500);
  expect((await site.json(['apply', result.id, '--yes'])).code).toBe(0);
  expect((await site.json(['verify', result.id])).result.agree).toBe(true);
  const again = await site.json(['apply', result.id, '--yes']);
  expect([again.code, again.result.written]).toEqual([0, false]);
  const before = await redis.pexpiretime(keyOf(task(7)));
  await redis.flushall();
  const back = await site.plan('back.ndjson');
  await site.json(['apply', back, '--yes']);
  expect(await redis.dbsize()).toBe(2_500);
  expect(await redis.get(keyOf(task(7)))).toBe(JSON.stringify(task(7)));
  expect(Math.abs((await redis.pexpiretime(keyOf(task(7)))) - before)).toBeLessThan(1_000);
  // Changed since: it is not removed, and no longer as planned.
  appendFileSync(join(site.folder, 'back.ndjson'), '{}\n');
  expect((await site.json(['verify', result.id])).code).toBe(3);
  expect((await site.json(['rollback', result.id, '--yes'])).code).toBe(6);
  const other = await site.json(['plan', '--from', 'redis:main', '--to', 'back.ndjson']);
  expect((await site.json(['apply', other.result.id, '--yes'])).code).toBe(6);
});
