import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { expireByScript, setTtl } from '../../src/keys/bulk/write.js';
import { withMasters } from '../../src/keys/masters.js';
import { walkKeys } from '../../src/keys/walk.js';
import { redisTarget } from '../../src/redis/target.js';
import { fill } from '../commands/keys-estate.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

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

const target = () =>
  redisTarget({ ...configSchema.parse({ redis: { main: server.url } }), file: undefined }, 'main');
const LIMITS = { timeout: 5_000 };
const ASK = { facts: true, sizes: false };

it('before Redis 7 a script sets a TTL where there is none, and only there', async () => {
  await redis.set('never', 'x');
  await redis.set('soon', 'x', 'EX', 10);
  const outcomes = await withMasters(target(), LIMITS, (masters) => {
    const keys = ['never', 'soon', 'nobody'].map((key) => ({ node: 0, key, ttl_ms: 60_000 }));
    return setTtl(masters, masters.nodes[0], expireByScript, keys);
  });
  expect(outcomes).toMatchObject([
    { result: 'done' },
    { result: 'raced', detail: expect.stringContaining('somebody has set a TTL meanwhile') },
    { result: 'gone' },
  ]);
  expect(await redis.pttl('never')).toBeGreaterThan(50_000);
  expect(await redis.ttl('soon')).toBeLessThanOrEqual(10);
});

it('names every key that is there all along once while others come and go, a slow taker notwithstanding', async () => {
  await fill(redis, 'stay:', 20_000);
  await fill(redis, 'go:', 20_000);
  const seen = new Map<string, number>();
  let [largest, taking] = [0, 0];
  let going = true;
  const churn = (async () => {
    for (let at = 0; going; at += 1) {
      await redis.pipeline().del(`go:${at}`).set(`come:${at}`, 'x').exec();
    }
  })();
  const found = await withMasters(target(), LIMITS, (masters) =>
    walkKeys(
      masters,
      { match: 'stay:*', facts: true, sizes: true },
      async ({ keys }) => {
        largest = Math.max(largest, keys.length);
        taking += 1;
        expect(taking).toBe(1);
        for (const { key, type, bytes } of keys) {
          expect([type, bytes !== null]).toEqual(['string', true]);
          seen.set(key, (seen.get(key) ?? 0) + 1);
        }
        // Many round trips: without waiting for it, all that is left would come meanwhile.
        for (let trip = 0; trip < 20; trip += 1) await redis.ping();
        taking -= 1;
      },
      new AbortController().signal,
    ),
  );
  going = false;
  await churn;
  expect([seen.size, found.complete]).toEqual([20_000, true]);
  expect([...seen.values()].every((times) => times === 1)).toBe(true);
  expect(largest).toBeLessThan(1_000);
});

it('ends at the batch that is enough, on all masters, and when it is interrupted', async () => {
  await fill(redis, 'stay:', 20_000);
  let batches = 0;
  const enough = await withMasters(target(), LIMITS, (masters) =>
    walkKeys(masters, ASK, () => ++batches < 3, new AbortController().signal),
  );
  expect([batches, enough.complete]).toEqual([3, false]);
  expect(enough.looked_at).toBeGreaterThan(0);
  expect(enough.looked_at).toBeLessThan(20_000);
  const controller = new AbortController();
  const interrupted = await withMasters(target(), LIMITS, (masters) =>
    walkKeys(masters, ASK, () => controller.abort(), controller.signal),
  );
  expect(interrupted.complete).toBe(false);
});

it('what its taker throws ends it', async () => {
  await fill(redis, 'stay:', 5_000);
  const walk = withMasters(target(), LIMITS, (masters) =>
    walkKeys(
      masters,
      ASK,
      async () => {
        await redis.ping();
        throw new Error('the disk is full');
      },
      new AbortController().signal,
    ),
  );
  await expect(walk).rejects.toThrow('the disk is full');
});

it('goes on while the server evicts: who makes room must find the keys', async () => {
  const small = await startRedis({
    config: ['maxmemory 3mb', 'maxmemory-policy allkeys-random', 'maxmemory-clients 0'],
  });
  onTestFinished(() => small.stop());
  const own = new Redis(small.url);
  onTestFinished(() => own.disconnect());
  await fill(own, 'a:', 2_000);
  const evicted = async () => Number(/evicted_keys:(\d+)/.exec(await own.info('stats'))?.[1]);
  let going = true;
  const evicting = (async () => {
    for (let at = 0; going; at += 1) await own.set(`b:${at}`, 'x'.repeat(5_000));
  })();
  const redisTo = redisTarget(
    { ...configSchema.parse({ redis: { main: small.url } }), file: undefined },
    'main',
  );
  const began = performance.now();
  // Long enough for several looks at the server, one a second.
  const late = async () => performance.now() - began > 2_500 && (await evicted()) > 100;
  const found = await withMasters(redisTo, LIMITS, (masters) =>
    walkKeys(masters, ASK, () => until(late), new AbortController().signal),
  );
  going = false;
  await evicting;
  expect(found.complete).toBe(true);
});
