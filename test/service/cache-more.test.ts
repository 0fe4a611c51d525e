import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SharedCounters } from '../../src/service/cache/counters.js';
import { FallbackCache } from '../../src/service/cache/fallback.js';
import { Creator } from '../../src/service/cache/get-or-create.js';
import { SharedHashes } from '../../src/service/cache/hashes.js';
import { MemoryCache } from '../../src/service/cache/memory.js';
import { TwoLevelCache } from '../../src/service/cache/two-level.js';
import type { Json } from '../../src/service/cache/types.js';
import { warmUp } from '../../src/service/cache/warm-up.js';
import { RedisLink } from '../../src/service/connection/link.js';
import { isWorthRetrying, retried } from '../../src/service/retry.js';
import type { RedisServer } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { redisFor, restart, serviceFor } from './harness.js';

async function linkTo({ host, port }: RedisServer): Promise<RedisLink> {
  const link = new RedisLink({ address: { host, port, db: 0 }, probeKey: 'test:probe' });
  onTestFinished(() => link.close());
  await link.start();
  return link;
}
function sharedOn(link: RedisLink): FallbackCache {
  const cache = new FallbackCache({ link, prefix: 'test:cache:' });
  onTestFinished(() => cache.close());
  return cache;
}

describe('get or create', () => {
  it('makes a value once, however many ask at once, in one instance and in two', async () => {
    const redis = await redisFor();
    const creators = [await linkTo(redis), await linkTo(redis)].map(
      (link) => new Creator(sharedOn(link), link, { keyPrefix: 'test:', owner: 'one' }),
    );
    let made = 0;
    const create = async (): Promise<Json> => {
      made += 1;
      await sleep(50);
      return { made };
    };
    const values = await Promise.all(
      Array.from({ length: 200 }, (_, n) => (creators[n % 2] as Creator).getOrCreate('k', create)),
    );
    expect(made).toBe(1);
    expect(new Set(values.map((value) => JSON.stringify(value)))).toEqual(new Set(['{"made":1}']));
  });

  it('makes it once without Redis, too', async () => {
    const creator = new Creator(new MemoryCache());
    let made = 0;
    const create = async (): Promise<Json> => {
      made += 1;
      await sleep(10);
      return made;
    };
    await Promise.all(Array.from({ length: 50 }, () => creator.getOrCreate('k', create)));
    expect(made).toBe(1);
  });

  it('tells a failure to all who wait, and tries anew for the next', async () => {
    const creator = new Creator(new MemoryCache());
    const fails = () => Promise.reject(new Error('quota'));
    const asked = [creator.getOrCreate('k', fails), creator.getOrCreate('k', fails)];
    await expect(Promise.all(asked)).rejects.toThrow('quota');
    expect(await creator.getOrCreate('k', async () => 1)).toBe(1);
  });

  it('does not wait for ever for an instance that died while it made the value', async () => {
    const redis = await redisFor();
    const [dies, lives] = [await linkTo(redis), await linkTo(redis)].map(
      (link) => new Creator(sharedOn(link), link, { keyPrefix: 'test:', owner: 'one' }),
    );
    void dies?.getOrCreate('k', () => new Promise(() => {}), { waitMs: 300 });
    await sleep(50);
    expect(await lives?.getOrCreate('k', async () => 'made', { waitMs: 300 })).toBe('made');
  });
});

describe('two levels', () => {
  it('read from memory, and see at once what another instance has changed', async () => {
    const redis = await redisFor();
    const open = async () => {
      const link = await linkTo(redis);
      const shared = sharedOn(link);
      const cache = new TwoLevelCache({ shared, link, channel: 'test:changes' });
      onTestFinished(() => cache.close());
      return { cache, shared };
    };
    const [one, two] = [await open(), await open()];
    await one.cache.set('k', 'old');
    // Until both hear one another, everything is read from Redis.
    await until(async () => {
      await two.cache.get('k');
      const before = two.shared.stats().total_requests;
      await two.cache.get('k');
      return two.shared.stats().total_requests === before;
    });
    await one.cache.set('k', 'new');
    await until(async () => (await two.cache.get('k')) === 'new', { timeout: 1_000 });
    await one.cache.deleteMany('k*');
    await until(async () => (await two.cache.get('k')) === undefined, { timeout: 1_000 });
    expect(await one.cache.get('k')).toBeUndefined();
  });

  it('goes on in memory mode while Redis is away', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url, CACHE_TWO_LEVEL: 'true' });
    await service.put('k', 1);
    redis.kill('SIGKILL');
    await service.mode('memory');
    expect((await service.put('k', 2)).status).toBe(200);
    expect((await service.get('k')).body.value).toBe(2);
    await restart(redis);
    await service.mode('redis');
    expect((await service.get('k')).body.value).toBe(2);
  });
});

describe('counters and hashes', () => {
  it('go on while Redis is away, and nothing is lost when it is back', async () => {
    const redis = await redisFor({ aof: true, config: ['appendfsync always'] });
    const link = await linkTo(redis);
    const counters = new SharedCounters(link, 'test:count:');
    const hashes = new SharedHashes(link, 'test:hash:');
    expect(await counters.add('n', 5)).toBe(5);
    await hashes.set('h', 'a', 1);
    await hashes.set('h', 'gone', 1);
    redis.kill('SIGKILL');
    await until(() => link.mode === 'memory');
    expect(await counters.add('n', 2)).toBe(2);
    await hashes.set('h', 'b', { x: 1 });
    await hashes.delete('h', 'gone');
    expect(await hashes.all('h')).toEqual({ b: { x: 1 } });
    await restart(redis);
    await until(() => link.mode === 'redis');
    expect(await counters.add('n', 0)).toBe(7);
    expect(await hashes.get('h', 'b')).toEqual({ x: 1 });
    expect(await hashes.get('h', 'gone')).toBeUndefined();
    for (const key of await link.client.keys('test:[ch]*'))
      expect(await link.client.pttl(key)).toBeGreaterThan(0);
  });
});

it('warm-up stores what is missing and leaves alone what is there', async () => {
  const cache = new MemoryCache();
  await cache.set('k1', 'mine');
  const entries = Array.from({ length: 50 }, (_, n) => ({ key: `k${n}`, value: n, ttl: 60 }));
  expect(await warmUp(cache, entries)).toEqual({ stored: 49, present: 1 });
  expect([await cache.get('k1'), await cache.get('k2')]).toEqual(['mine', 2]);
});

describe('retried calls', () => {
  it('wait longer each time, and give up with the last error', async () => {
    const pauses: number[] = [];
    let calls = 0;
    const failing = retried(
      async () => {
        calls += 1;
        throw Object.assign(new Error(`overloaded ${calls}`), { status: 503 });
      },
      { onRetry: (_, __, pause) => pauses.push(pause), delaysMs: [2, 4, 8] },
    );
    await expect(failing).rejects.toThrow('overloaded 4');
    expect(pauses).toEqual([2, 4, 8]);
  });

  it('end an attempt that takes too long, and try again', async () => {
    let calls = 0;
    const answer = await retried(
      () => {
        calls += 1;
        return calls === 1 ? new Promise<string>(() => {}) : Promise.resolve('late');
      },
      { timeoutMs: 20, delaysMs: [1] },
    );
    expect([answer, calls]).toEqual(['late', 2]);
  });

  it('are not retried where that cannot help', async () => {
    expect(
      [400, 401, 403, 404, 408, 422, 429, 500, 501, 503].filter((status) =>
        isWorthRetrying({ status }),
      ),
    ).toEqual([408, 429, 500, 503]);
    expect(isWorthRetrying(new TypeError('x is not a function'))).toBe(false);
    expect(isWorthRetrying(new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } }))).toBe(
      true,
    );
  });
});

it('the metrics of an instance are read by Prometheus', async () => {
  const service = await serviceFor({});
  await service.put('k', 1);
  await service.get('k');
  await service.get('none');
  const text = await (await fetch(`${service.url}/metrics`)).text();
  expect(text).toMatch(/^cache_requests_total\{result="hit"\} 1$/m);
  expect(text).toMatch(/^cache_requests_total\{result="miss"\} 1$/m);
  expect(text).toMatch(/^cache_mode\{mode="memory"\} 1$/m);
  expect(text).toMatch(/route="\/api\/cache\/:key",status="404"/);
});

it('so many writes a minute and user, counted by two instances together', async () => {
  const redis = await redisFor();
  const env = { REDIS_URL: redis.url, REDIS_RATE_LIMIT_ENABLED: '1', RATE_LIMIT_PER_MINUTE: '10' };
  const services = [await serviceFor(env, 'one'), await serviceFor(env, 'two')];
  const put = (at: number, user: string) =>
    services[at % 2]?.call('PUT', '/api/tasks/t1', { status: 'pending' }, { 'X-User-Id': user });
  const answers = await Promise.all(Array.from({ length: 16 }, (_, at) => put(at, 'alice')));
  // A minute may have begun in between.
  expect(answers.filter((answer) => answer?.status === 429).length).toBeGreaterThanOrEqual(1);
  expect((await put(0, 'bob'))?.status).toBe(200);
});
