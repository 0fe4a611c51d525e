import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.js';
import { expireByScript, setTtl } from '../../src/keys/bulk/write.js';
import { enumerate } from '../../src/keys/enumerate.js';
import { withMasters } from '../../src/keys/masters.js';
import { redisTarget } from '../../src/redis/target.js';
import { fill } from '../commands/keys-estate.js';
import { type RedisServer, startRedis } from '../servers/redis.js';

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

it('names every key that is there all along while others come and go, in batches of bounded size', async () => {
  await fill(redis, 'stay:', 20_000);
  await fill(redis, 'go:', 20_000);
  const seen = new Map<string, number>();
  let largest = 0;
  let going = true;
  const churn = (async () => {
    for (let at = 0; going; at += 1) {
      await redis.pipeline().del(`go:${at}`).set(`come:${at}`, 'x').exec();
    }
  })();
  const found = await withMasters(target(), LIMITS, (masters) =>
    enumerate(
      masters,
      { match: 'stay:*', facts: true, sizes: true },
      ({ keys }) => {
        largest = Math.max(largest, keys.length);
        for (const { key, type, bytes } of keys) {
          expect([type, bytes !== null]).toEqual(['string', true]);
          seen.set(key, (seen.get(key) ?? 0) + 1);
        }
      },
      new AbortController().signal,
    ),
  );
  going = false;
  await churn;
  expect([seen.size, found.complete]).toEqual([20_000, true]);
  expect(largest).toBeLessThan(1_000);
});
