import { describe, expect, it } from 'vitest';
import { MemoryCache } from '../../src/service/cache/memory.js';
import { TaskStore } from '../../src/service/tasks.js';
import { type Env, raw, redisFor, restart, serviceFor } from './harness.js';

const ALICE = { 'X-User-Id': 'alice' };
const BOB = { 'X-User-Id': 'bob' };
const DUAL = { REDIS_TASK_STATUS_ENABLED: 'true', REDIS_TASK_STATUS_DUAL_WRITE: 'true' };
const KEY = 'test:ci:task:import:alice:t1';

describe.each([
  ['memory', {}],
  ['redis', { REDIS_TASK_STATUS_ENABLED: 'true' }],
  ['both', DUAL],
] as [string, Env][])('task status in %s', (_name, env) => {
  it('is stored with its time, read back, and replaced', async () => {
    const redis = await redisFor();
    const { call } = await serviceFor({ REDIS_URL: redis.url, ...env });
    const first = await call('PUT', '/api/tasks/t1', { status: 'processing', progress: 40 }, ALICE);
    expect(first).toMatchObject({
      status: 200,
      body: { task: 't1', status: 'processing', progress: 40 },
    });
    expect(new Date(first.body.updatedAt).toISOString()).toBe(first.body.updatedAt);
    expect((await call('GET', '/api/tasks/t1', undefined, ALICE)).body).toEqual(first.body);
    await call('PUT', '/api/tasks/t1', { status: 'completed', result: { rows: 3 } }, ALICE);
    const last = (await call('GET', '/api/tasks/t1', undefined, ALICE)).body;
    expect(last).toMatchObject({ status: 'completed', result: { rows: 3 } });
    expect(last).not.toHaveProperty('progress');
  });

  it("does not find another user's task, nor overwrite it", async () => {
    const redis = await redisFor();
    const { call } = await serviceFor({ REDIS_URL: redis.url, ...env });
    await call('PUT', '/api/tasks/t1', { status: 'pending' }, ALICE);
    expect((await call('GET', '/api/tasks/t1', undefined, BOB)).status).toBe(404);
    await call('PUT', '/api/tasks/t1', { status: 'failed' }, BOB);
    expect((await call('GET', '/api/tasks/t1', undefined, ALICE)).body.status).toBe('pending');
    // Nor by way of the cache, whose keys may hold colons.
    for (const key of ['alice:t1', 'task:import:alice:t1', KEY]) {
      expect((await call('GET', `/api/cache/${key}`)).status).toBe(404);
    }
    await call('DELETE', '/api/cache?pattern=*');
    expect((await call('GET', '/api/tasks/t1', undefined, ALICE)).status).toBe(200);
  });
});

describe('moving to Redis', () => {
  it('leaves Redis alone until the switch is set', async () => {
    const redis = await redisFor();
    const { call } = await serviceFor({ REDIS_URL: redis.url, REDIS_CACHE_ENABLED: 'false' });
    await call('PUT', '/api/tasks/t1', { status: 'pending' }, ALICE);
    expect(await raw(redis, (client) => client.dbsize())).toBe(0);
  });

  it('keeps the status in Redis for 24 h, and over a restart of the application', async () => {
    const redis = await redisFor();
    const env = { REDIS_URL: redis.url, CACHE_TYPE: 'memory', REDIS_TASK_STATUS_ENABLED: 'true' };
    const before = await serviceFor(env);
    await before.call('PUT', '/api/tasks/t1', { status: 'processing' }, ALICE);
    const ttl = await raw(redis, (client) => client.ttl(KEY));
    expect(ttl).toBeGreaterThan(24 * 3_600 - 10);
    expect(ttl).toBeLessThanOrEqual(24 * 3_600);
    await before.close();
    const after = await serviceFor(env);
    const { body } = await after.call('GET', '/api/tasks/t1', undefined, ALICE);
    expect(body.status).toBe('processing');
    expect((await after.health()).cache).toBe('memory');
  });

  it('dual write: in Redis and in memory, and read from Redis first', async () => {
    const redis = await redisFor();
    const one = await serviceFor({ REDIS_URL: redis.url, ...DUAL }, 'one');
    const two = await serviceFor({ REDIS_URL: redis.url, ...DUAL }, 'two');
    await one.call('PUT', '/api/tasks/t1', { status: 'pending' }, ALICE);
    await two.call('PUT', '/api/tasks/t1', { status: 'completed' }, ALICE);
    const read = () => one.call('GET', '/api/tasks/t1', undefined, ALICE);
    expect((await read()).body.status).toBe('completed');
    await raw(redis, (client) => client.del(KEY));
    expect((await read()).body.status).toBe('pending');
  });

  it('dual write: a task is readable right through an outage and after it', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url, ...DUAL });
    const read = () => service.call('GET', '/api/tasks/t1', undefined, ALICE);
    await service.call('PUT', '/api/tasks/t1', { status: 'pending' }, ALICE);
    redis.kill('SIGKILL');
    expect((await read()).body.status).toBe('pending');
    await service.call('PUT', '/api/tasks/t1', { status: 'completed' }, ALICE);
    await restart(redis);
    await service.mode('redis');
    expect((await read()).body.status).toBe('completed');
    expect(await raw(redis, (client) => client.get(KEY))).toContain('completed');
  });

  it('dual write goes to Redis first', async () => {
    const order: string[] = [];
    const store = (name: string) =>
      new (class extends MemoryCache {
        override async set(...args: Parameters<MemoryCache['set']>) {
          order.push(`set ${name}`);
          await super.set(...args);
        }
      })();
    const tasks = new TaskStore({ memory: store('memory'), redis: store('redis') });
    await tasks.put('alice', 't1', { status: 'pending' });
    expect(order).toEqual(['set redis', 'set memory']);
  });
});
