import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PostgresCache } from '../../src/service/cache/postgres.js';
import { createPool } from '../../src/service/connection/postgres.js';
import { configured } from '../health/estate.js';
import { command } from '../servers/command.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { serviceFor } from '../service/harness.js';

let redis: RedisServer;
let postgres: PostgresServer;
let pool: pg.Pool;
beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  pool = createPool({ url: postgres.url });
});
afterAll(async () => {
  await pool.end();
  await Promise.all([redis.stop(), postgres.stop()]);
});
beforeEach(() => command(redis.port, 'FLUSHALL'));

const estate = (more: object = {}) =>
  configured({
    ...{ environment: 'ci', redis: { main: redis.url }, postgres: { main: postgres.url } },
    keys: { prefix: 'test' },
    ...more,
  });

describe('cache', () => {
  it('stats counts entries by module, and shows what the applications count', async () => {
    const service = await serviceFor({ REDIS_URL: redis.url, CACHE_TYPE: 'redis' });
    await service.put('asl:llm:1', 'x'.repeat(100));
    await service.put('asl:pdf:1', 1);
    await service.put('config:a', 1);
    await service.get('config:a');
    await command(redis.port, 'SET test:ci:cache:config:old 1');
    const rows = new PostgresCache({ pool, cleanMs: 0 });
    await rows.set('dc:health:1', 1);
    const { run } = estate({ applications: { one: { health: `${service.url}/api/health` } } });
    const { stdout } = await run(['cache', 'stats', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      redis: [
        { module: 'asl', keys: 2, no_ttl: 0 },
        { module: 'config', keys: 2, no_ttl: 1 },
      ],
      postgres: [{ module: 'dc', count: 1, expired: 0 }],
      applications: [{ name: 'one', counters: { hits: 1, sets: 3, hit_rate: 1 } }],
    });
  });

  it('clear removes entries of the cache only, after a dry run', async () => {
    for (const key of ['cache:asl:1', 'cache:asl:2', 'cache:dc:1', 'task:import:asl:1'])
      await command(redis.port, `SET test:ci:${key} 1 EX 100`);
    const { run } = estate();
    expect((await run(['cache', 'clear', 'asl:*', '--dry-run'])).code).toBe(0);
    expect(await command(redis.port, 'DBSIZE')).toBe(':4\r\n');
    expect((await run(['cache', 'clear', '*', '--yes'])).code).toBe(2);
    expect((await run(['cache', 'clear', 'asl:*', '--yes'])).code).toBe(0);
    expect(await command(redis.port, 'DBSIZE')).toBe(':2\r\n');
    expect((await run(['cache', 'clear', '--all', '--yes'])).code).toBe(0);
    expect(await command(redis.port, 'KEYS *')).toContain('test:ci:task:import:asl:1');
  });

  it('clean removes expired rows in batches, and no others', async () => {
    await new PostgresCache({ pool, cleanMs: 0 }).clear();
    await pool.query(
      `INSERT INTO app_cache (key, value, expires_at)
       SELECT 'k:' || n, '1', now() + (CASE WHEN n > 25 THEN 1 ELSE -1 END) * interval '1 h' FROM generate_series(1, 30) n`,
    );
    const { run } = estate();
    const dry = await run(['cache', 'clean', '--dry-run', '--json']);
    expect(JSON.parse(dry.stdout)).toMatchObject({ expired: 25, removed: 0 });
    expect((await run(['cache', 'clean'])).code).toBe(6);
    const done = await run(['cache', 'clean', '--batch', '10', '--yes', '--json']);
    expect(JSON.parse(done.stdout)).toMatchObject({ removed: 25 });
    expect((await pool.query('SELECT 1 FROM app_cache')).rowCount).toBe(5);
  });

  it('warm stores what is missing, with a time to live, when the whole file is right', async () => {
    const { run, folder } = estate();
    const file = join(folder, 'entries.ndjson');
    const lines = Array.from({ length: 150 }, (_, n) =>
      JSON.stringify({ key: `config:${n}`, value: { n, ü: 'ß' }, ttl: 60 }),
    );
    writeFileSync(file, [...lines, '{"key":"x"}'].join('\n'));
    const bad = await run(['cache', 'warm', file, '--yes']);
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining(':151: value ')]);
    expect(await command(redis.port, 'DBSIZE')).toBe(':0\r\n');
    writeFileSync(file, lines.join('\n'));
    await command(redis.port, 'SET test:ci:cache:config:0 "mine" EX 100');
    const { stdout } = await run(['cache', 'warm', file, '--yes', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ entries: 150, stored: 149, present: 1 });
    const service = await serviceFor({ REDIS_URL: redis.url, CACHE_TYPE: 'redis' });
    expect((await service.get('config:149')).body.value).toEqual({ n: 149, ü: 'ß' });
    expect(await command(redis.port, 'TTL test:ci:cache:config:149')).toMatch(/^:(59|60)/);
  });
});
