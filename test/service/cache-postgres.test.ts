import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { PostgresCache } from '../../src/service/cache/postgres.js';
import { createPool } from '../../src/service/connection/postgres.js';
import { freePort } from '../servers/ports.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { serviceFor } from './harness.js';

let server: PostgresServer;
let pool: pg.Pool;
beforeAll(async () => {
  server = await startPostgres();
  pool = createPool({ url: server.url });
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});
const cacheOf = () => new PostgresCache({ pool, cleanMs: 0 });
const rows = async () => Number((await pool.query('SELECT count(*) FROM app_cache')).rows[0].count);
beforeEach(() => cacheOf().clear());

describe('the cache in Postgres', () => {
  it('sets, gets, overwrites and deletes, and counts', async () => {
    const cache = cacheOf();
    await cache.set('asl:llm:1', { a: [1, null] });
    await cache.set('asl:llm:1', { a: [2] });
    expect(await cache.get('asl:llm:1')).toEqual({ a: [2] });
    expect(await cache.get('none')).toBeUndefined();
    expect(await cache.delete('asl:llm:1')).toBe(true);
    expect(await cache.delete('asl:llm:1')).toBe(false);
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 1, sets: 2, errors: 0 });
  });

  it('keeps null, and texts that jsonb would refuse', async () => {
    const cache = cacheOf();
    await cache.set('null', null);
    await cache.set('odd', 'a\u0000b');
    expect([await cache.get('null'), await cache.get('odd')]).toEqual([null, 'a\ufffdb']);
  });

  it('deletes an expired row when it is read', async () => {
    const cache = cacheOf();
    await cache.set('k', 1, 60);
    await pool.query("UPDATE app_cache SET expires_at = now() - interval '1 s'");
    expect(await rows()).toBe(1);
    expect(await cache.get('k')).toBeUndefined();
    expect(await rows()).toBe(0);
  });

  it('cleans expired rows in batches, two cleaners at once', async () => {
    await cacheOf().set('live', 1);
    await pool.query(
      "INSERT INTO app_cache (key, value, expires_at) SELECT 'old:' || n, '1', now() FROM generate_series(1, 2500) n",
    );
    const removed = await Promise.all([cacheOf().clean(), cacheOf().clean()]);
    expect(removed[0] + removed[1]).toBe(2_500);
    expect(await cacheOf().table()).toEqual({
      total: 1,
      expired: 0,
      modules: [{ module: 'live', count: 1 }],
    });
  });

  it('deletes by the same patterns as Redis', async () => {
    const cache = cacheOf();
    for (const key of ['a:1', 'a:2', 'a_1', 'b:1', 'a%1']) await cache.set(key, 1);
    expect(await cache.deleteMany('a:[12]')).toBe(2);
    expect(await cache.deleteMany('a_*')).toBe(1);
    expect(await cache.clear()).toBe(2);
  });

  it('is behind the routes of the service, shared by two instances', async () => {
    const env = { DATABASE_URL: server.url, CACHE_TYPE: 'postgres' };
    const [one, two] = [await serviceFor(env, 'one'), await serviceFor(env, 'two')];
    await one.put('config:x', { on: true });
    expect((await two.get('config:x')).body.value).toEqual({ on: true });
    expect((await one.health()).cache).toBe('postgres');
  });

  it('is a miss while Postgres is away, but a deletion says so', async () => {
    const away = createPool({ url: `postgres://x@127.0.0.1:${await freePort()}/x` });
    onTestFinished(() => away.end());
    const cache = new PostgresCache({ pool: away, cleanMs: 0 });
    await cache.set('k', 1);
    expect(await cache.get('k')).toBeUndefined();
    expect(cache.stats().errors).toBe(2);
    await expect(cache.delete('k')).rejects.toThrow();
  });
});
