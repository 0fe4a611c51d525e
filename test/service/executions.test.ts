import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Executions } from '../../src/service/execution/executions.js';
import { FencedStore, Locks, StaleFenceError } from '../../src/service/execution/lock.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { serviceFor } from './harness.js';

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});
beforeEach(() => client.flushall());

describe('locks', () => {
  const locks = (owner = 'one') => new Locks(client, { prefix: 'app:ci:lock:', owner });

  it('are held by one, released by their holder only, and lapse by themselves', async () => {
    const lock = await locks().take('report', 50);
    expect(await locks('two').take('report', 50)).toBeUndefined();
    if (!lock) throw new Error('not taken');
    expect(await locks('two').release({ ...lock, token: 'guessed' })).toBe(false);
    let next = await locks('two').take('report', 5_000);
    await until(async () => {
      next ??= await locks('two').take('report', 5_000);
      return next !== undefined;
    });
    // The first comes late: it must not release or renew what is another's now.
    expect(await locks().release(lock)).toBe(false);
    expect(await locks().renew(lock, 5_000)).toBe(false);
    expect(next?.fence).toBeGreaterThan(lock.fence);
    expect(await locks('two').release(next as NonNullable<typeof next>)).toBe(true);
  });

  it('a holder that was paused and wakes up late is refused by its fence', async () => {
    const store = new FencedStore(client, 'app:ci:guarded:');
    const late = await locks().take('report', 30);
    await until(async () => (await client.exists('app:ci:lock:{report}')) === 0);
    const now = await locks('two').take('report', 5_000);
    if (!late || !now) throw new Error('not taken');
    await store.set('report', 'new', now, 60_000);
    await expect(store.set('report', 'old', late, 60_000)).rejects.toThrow(StaleFenceError);
    expect(await store.get('report')).toBe('new');
  });
});

describe('executions', () => {
  const executions = (options = {}) =>
    new Executions(client, { keyPrefix: 'app:ci:', owner: 'one', ...options });

  it('are refused while executing and for five minutes after', async () => {
    const begun = await executions().start('review-1');
    if (!begun.started) throw new Error('refused');
    await begun.progress(40, 'reading');
    expect(await executions().start('review-1')).toMatchObject({
      because: 'executing',
      record: { progress: 40, message: 'reading', state: 'executing' },
    });
    await begun.succeed({ findings: 3 });
    expect(await executions().start('review-1')).toMatchObject({
      because: 'completed',
      record: { result: { findings: 3 }, progress: 100 },
    });
    expect((await executions({ windowMs: 0 }).start('review-1')).started).toBe(true);
  });

  it('that failed may be begun again at once', async () => {
    const begun = await executions().start('review-2');
    if (!begun.started) throw new Error('refused');
    await begun.fail('the diff is too large');
    expect(await executions().get('review-2')).toMatchObject({ state: 'failed' });
    expect((await executions().start('review-2')).started).toBe(true);
  });

  it('of a process that died are taken over when its lock has lapsed, and its late words refused', async () => {
    const dead = await executions({ lockMs: 60 }).start('review-3');
    if (!dead.started) throw new Error('refused');
    // Nobody renews it any more: as when the process is stopped.
    await client.pexpire('app:ci:lock:execution:{review-3}', 1);
    let next = await executions().start('review-3');
    await until(async () => {
      if (!next.started) next = await executions().start('review-3');
      return next.started;
    });
    await expect(dead.progress(90)).rejects.toThrow(StaleFenceError);
    await expect(dead.succeed()).rejects.toThrow(StaleFenceError);
    expect(await executions().get('review-3')).toMatchObject({ state: 'executing', progress: 0 });
  });

  it('of 1,000 simultaneous starts through two instances one begins', async () => {
    const env = { REDIS_URL: server.url, CACHE_TYPE: 'redis' };
    const [one, two] = [await serviceFor(env, 'one'), await serviceFor(env, 'two')];
    const starts = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        (index % 2 ? one : two).call('POST', '/api/executions/review-9', { takes_ms: 20 }),
      ),
    );
    const counts = (status: number) => starts.filter((answer) => answer.status === status).length;
    expect([counts(202), counts(409)]).toEqual([1, 999]);
    await until(
      async () => (await one.call('GET', '/api/executions/review-9')).body.state === 'completed',
    );
  });

  it('every record and lock has a time to live', async () => {
    const begun = await executions().start('review-4');
    if (begun.started) await begun.succeed();
    for (const key of await client.keys('*')) expect(await client.pttl(key)).toBeGreaterThan(0);
  });
});
