import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FallbackCache } from '../../src/service/cache/fallback.js';
import { globMatcher } from '../../src/service/cache/glob.js';
import { MemoryCache } from '../../src/service/cache/memory.js';
import { RedisCache } from '../../src/service/cache/redis.js';
import type { Cache, Json } from '../../src/service/cache/types.js';
import { createClient } from '../../src/service/connection/client.js';
import { RedisLink } from '../../src/service/connection/link.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

let redis: RedisServer;
let client: ReturnType<typeof createClient>;
let link: RedisLink;
const address = () => ({ host: '127.0.0.1', port: redis.port, db: 0 });
let runs = 0;

beforeAll(async () => {
  redis = await startRedis();
  client = createClient(address());
  await client.connect();
  link = new RedisLink({ address: address(), probeKey: 'probe' });
  await link.start();
});
afterAll(async () => {
  client.disconnect();
  await link.close();
  await redis.stop();
});

const adapters: Record<string, (prefix: string) => Cache> = {
  memory: () => new MemoryCache(),
  redis: (prefix) => new RedisCache(client, { prefix }),
  'redis with fallback': (prefix) => new FallbackCache({ link, prefix }),
};

describe.each(Object.entries(adapters))('the %s cache', (_name, create) => {
  const fresh = () => {
    runs += 1;
    return create(`run${runs}:`);
  };

  it('gives back every kind of JSON value', async () => {
    const cache = fresh();
    const values: Json[] = [
      null,
      false,
      0,
      -1.5,
      '',
      'ü€😀\u0000',
      [],
      {},
      { a: [1, { b: null }] },
    ];
    for (const value of values) {
      await cache.set('k', value);
      expect(await cache.get('k')).toEqual(value);
    }
    expect(await cache.get('other')).toBeUndefined();
  });

  it('keeps a copy: changing the object later changes no entry', async () => {
    const cache = fresh();
    const value = { list: [1] };
    await cache.set('k', value);
    value.list.push(2);
    expect(await cache.get('k')).toEqual({ list: [1] });
  });

  it('forgets an entry when its time is over, and not before', async () => {
    const cache = fresh();
    await cache.set('short', 1, 0.25);
    await cache.set('long', 2, 60);
    expect(await cache.get('short')).toBe(1);
    await until(async () => (await cache.get('short')) === undefined, { timeout: 2_000 });
    expect(await cache.has('short')).toBe(false);
    expect(await cache.get('long')).toBe(2);
  });

  it('knows and deletes single entries', async () => {
    const cache = fresh();
    await cache.set('k', 1);
    expect(await cache.has('k')).toBe(true);
    expect(await cache.delete('k')).toBe(true);
    expect(await cache.delete('k')).toBe(false);
    expect(await cache.has('k')).toBe(false);
  });

  it.each([
    ['llm:*', ['llm:1', 'llm:2', 'llm:']],
    ['*:1', ['llm:1', 'pdf:1']],
    ['llm:?', ['llm:1', 'llm:2']],
    ['[lx]*', ['llm:1', 'llm:2', 'llm:']],
    ['[^l]*:*', ['pdf:1', '[a]:*']],
    ['\\[a\\]:\\*', ['[a]:*']],
    ['p[a-e]f:[0-9]', ['pdf:1']],
    ['nothing', []],
  ])('deletes what matches %s, and only that', async (pattern, expected) => {
    const cache = fresh();
    const keys = ['llm:1', 'llm:2', 'llm:', 'pdf:1', '[a]:*'];
    for (const key of keys) await cache.set(key, key);
    expect(await cache.deleteMany(pattern)).toBe(expected.length);
    for (const key of keys) expect(await cache.has(key)).toBe(!expected.includes(key));
  });

  it('deletes thousands, in several steps', async () => {
    const cache = fresh();
    await Promise.all(Array.from({ length: 2_500 }, (_, n) => cache.set(`n:${n}`, n)));
    await cache.set('kept', 1);
    expect(await cache.deleteMany('n:*')).toBe(2_500);
    expect(await cache.has('kept')).toBe(true);
  });

  it('clears itself and nothing of its neighbour', async () => {
    const [cache, neighbour] = [fresh(), fresh()];
    await cache.set('a', 1);
    await cache.set('b', 2);
    await neighbour.set('a', 3);
    expect(await cache.clear()).toBe(2);
    expect(await cache.has('a')).toBe(false);
    expect(await neighbour.get('a')).toBe(3);
  });

  it('counts hits, misses and sets', async () => {
    const cache = fresh();
    expect(cache.stats().hit_rate).toBeNull();
    await cache.set('k', 1);
    await cache.get('k');
    await cache.get('k');
    await cache.get('absent');
    await cache.has('k');
    expect(cache.stats()).toEqual({
      hits: 2,
      misses: 1,
      sets: 1,
      errors: 0,
      total_requests: 3,
      hit_rate: 0.6667,
    });
  });
});

describe('the memory cache', () => {
  it('evicts the least recently used beyond its number of entries', async () => {
    const cache = new MemoryCache({ maxEntries: 3 });
    for (const key of ['a', 'b', 'c']) await cache.set(key, key);
    await cache.get('a');
    await cache.set('d', 'd');
    expect(await cache.has('b')).toBe(false);
    for (const key of ['a', 'c', 'd']) expect(await cache.has(key)).toBe(true);
  });

  it('is bounded in size as well', async () => {
    const cache = new MemoryCache({ maxChars: 1_000 });
    for (let n = 0; n < 20; n += 1) await cache.set(`k${n}`, 'x'.repeat(98));
    expect(cache.size).toBe(10);
    expect(await cache.has('k19')).toBe(true);
  });

  it('sweeps what nobody reads', async () => {
    let now = 0;
    const cache = new MemoryCache({ now: () => now });
    await cache.set('a', 1, 1);
    await cache.set('b', 1, 10);
    now = 5_000;
    cache.sweep();
    expect(cache.size).toBe(1);
  });
});

describe('the Redis cache', () => {
  it('gives every key a TTL and its prefix', async () => {
    const cache = new RedisCache(client, { prefix: 'ttl:' });
    await cache.set('named', 1, 60);
    await cache.set('default', 1);
    expect(await client.pttl('ttl:named')).toBeGreaterThan(59_000);
    expect(await client.pttl('ttl:default')).toBeGreaterThan(3_599_000);
  });

  it('takes glob characters in its own prefix literally', async () => {
    const cache = new RedisCache(client, { prefix: 'a*[b]:' });
    await cache.set('k', 1);
    await client.set('axb:k', '1', 'EX', 60);
    expect(await cache.clear()).toBe(1);
    expect(await client.exists('axb:k')).toBe(1);
  });

  it('reads foreign content as a miss, and stays in redis mode', async () => {
    const cache = new FallbackCache({ link, prefix: 'foreign:' });
    await client.set('foreign:text', 'not JSON', 'EX', 60);
    await client.lpush('foreign:list', '1');
    expect(await cache.get('text')).toBeUndefined();
    expect(await cache.get('list')).toBeUndefined();
    expect(cache.stats().errors).toBe(2);
    expect(link.mode).toBe('redis');
  });
});

it('does not blame Redis for a pause of its own event loop', async () => {
  const cache = new FallbackCache({ link, prefix: 'pause:' });
  await cache.set('k', 1);
  const answer = cache.get('k');
  // The answer arrives while nothing here can run, and the deadline passes.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  expect(await answer).toBe(1);
  expect(link.mode).toBe('redis');
});

it('matches a hostile pattern in no time', () => {
  const start = performance.now();
  expect(globMatcher(`${'*a'.repeat(200)}b`)('a'.repeat(500))).toBe(false);
  expect(performance.now() - start).toBeLessThan(100);
});
