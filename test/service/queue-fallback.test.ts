import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RedisLink } from '../../src/service/connection/link.js';
import { BullmqQueue } from '../../src/service/queue/bullmq.js';
import { FallbackQueue } from '../../src/service/queue/fallback.js';
import { startPostgres } from '../servers/postgres.js';
import type { RedisServer } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { clientOf, raw, redisFor, restart, serviceFor } from './harness.js';

const DURABLE = { aof: true, config: ['appendfsync always'] };
const ALICE = { 'X-User-Id': 'alice' };
const NAME = 'dc:data-cleaning';

/** An instance of an application with a queue that falls back. */
async function instanceOn({ host, port }: RedisServer) {
  const address = { host, port, db: 0 };
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const link = new RedisLink({ address, probeKey: `probe:${randomUUID()}` });
  onTestFinished(() => link.close());
  await link.start();
  const options = { name: NAME, keyPrefix: 'test:', lockMs: 1_000, timeoutMs: 500 };
  const redis = new BullmqQueue({ address, onError, ...options });
  const queue = new FallbackQueue({ link, redis, onError });
  onTestFinished(() => queue.close(0));
  return { link, queue, errors, mode: (mode: string) => until(() => link.mode === mode) };
}

/** Counts how often each job was begun. */
function counting() {
  const begun = new Map<string, number>();
  return {
    begun,
    once: () => [...begun.values()].every((count) => count === 1),
    handler: async ({ id }: { id: string }) => {
      begun.set(id, (begun.get(id) ?? 0) + 1);
      return undefined;
    },
  };
}

describe('a queue that falls back to memory', () => {
  it('does at once what comes while Redis is away, and what is begun here is not begun there', async () => {
    const redis = await redisFor(DURABLE);
    const { queue, mode } = await instanceOn(redis);
    const { begun, once, handler } = counting();
    await queue.process(handler, { concurrency: 5 });
    redis.kill('SIGKILL');
    await mode('memory');
    const ids = await Promise.all(Array.from({ length: 100 }, () => queue.push({})));
    await until(() => begun.size === 100);
    expect((await queue.get(ids[0] as string))?.state).toBe('completed');
    await restart(redis);
    await mode('redis');
    const later = await queue.push({});
    await until(() => begun.has(later));
    expect([begun.size, once()]).toEqual([101, true]);
    expect(queue.inMemory()).toEqual({ waiting: 0, running: 0 });
  });

  it('hands to Redis what was not begun, for whichever instance comes first: none lost, none twice', async () => {
    const redis = await redisFor(DURABLE);
    const takes = await instanceOn(redis);
    const ids = new Set<string>();
    let pushing = true;
    // It never pauses, while Redis is killed again and again.
    const flow = (async () => {
      while (pushing) {
        ids.add(await takes.queue.push({ n: ids.size }));
        await sleep(1);
      }
    })();
    for (let outage = 0; outage < 3; outage += 1) {
      await sleep(100);
      redis.kill('SIGKILL');
      await takes.mode('memory');
      await sleep(100);
      await restart(redis);
      await takes.mode('redis');
    }
    pushing = false;
    await flow;
    await until(() => takes.queue.inMemory().waiting === 0, { timeout: 20_000 });
    const works = await instanceOn(redis);
    const { begun, once, handler } = counting();
    await works.queue.process(handler, { concurrency: 20 });
    await until(() => begun.size >= ids.size, { timeout: 20_000 });
    expect(new Set(begun.keys())).toEqual(ids);
    expect(once()).toBe(true);
  });

  it('takes an id of the caller once, whichever instances it was given to', async () => {
    const redis = await redisFor(DURABLE);
    const [one, two] = [await instanceOn(redis), await instanceOn(redis)];
    const { begun, handler } = counting();
    for (const { queue } of [one, two]) await queue.process(handler);
    await one.queue.push({}, { id: 'import-1' });
    await until(() => begun.size === 1);
    redis.kill('SIGKILL');
    for (const { mode } of [one, two]) await mode('memory');
    // One that Redis has done already, and one that two instances are asked for.
    for (const { queue } of [one, two])
      for (const id of ['import-1', 'import-2']) await queue.push({}, { id });
    expect(await one.queue.get('import-2')).toMatchObject({ state: 'pending' });
    await restart(redis);
    await until(() => begun.size === 2, { timeout: 10_000 });
    for (const { queue } of [one, two]) await until(() => queue.inMemory().waiting === 0);
    expect([...begun]).toEqual([
      ['import-1', 1],
      ['import-2', 1],
    ]);
  });

  it('a push that Redis took, while its answer was lost, is no second job', async () => {
    const redis = await redisFor();
    const { queue } = await instanceOn(redis);
    const { begun, once, handler } = counting();
    await queue.push({ warm: true });
    // Answers PING, and holds what writes until later.
    await raw(redis, (client) => client.call('CLIENT', 'PAUSE', '1500', 'WRITE'));
    const ids = await Promise.all([queue.push({}), queue.push({})]);
    expect(queue.inMemory().waiting).toBe(2);
    await queue.process(handler);
    await until(() => queue.inMemory().waiting === 0, { timeout: 10_000 });
    // Redis takes them in order: with this one begun, all before it are.
    ids.push(await queue.push({}));
    await until(() => ids.every((id) => begun.has(id)));
    expect([begun.size, once()]).toEqual([4, true]);
  });

  it('one that Redis may have is not begun here when Redis goes, either', async () => {
    const redis = await redisFor();
    const { queue, mode } = await instanceOn(redis);
    const { begun, handler } = counting();
    await queue.push({ warm: true });
    await raw(redis, (client) => client.call('CLIENT', 'PAUSE', '1000', 'WRITE'));
    const id = await queue.push({});
    redis.kill('SIGSTOP');
    await queue.process(handler);
    await mode('memory');
    const other = await queue.push({});
    await until(() => begun.has(other));
    expect(begun.has(id)).toBe(false);
    redis.kill('SIGCONT');
    await until(() => begun.has(id), { timeout: 10_000 });
    await until(() => queue.inMemory().waiting === 0);
    expect(begun.get(id)).toBe(1);
  });

  it('cancels a job that waits in memory, in Redis too', async () => {
    const redis = await redisFor(DURABLE);
    const { queue, mode } = await instanceOn(redis);
    const { begun, handler } = counting();
    await queue.process(handler);
    redis.kill('SIGKILL');
    await mode('memory');
    const delayed = await queue.push({}, { delayMs: 60_000 });
    const held = await queue.push({}, { id: 'import-3' });
    for (const id of [delayed, held]) expect(await queue.cancel(id)).toBe(true);
    await expect(queue.get('known-to-redis-alone')).rejects.toThrow('memory mode');
    await restart(redis);
    await mode('redis');
    await until(() => queue.inMemory().waiting === 0);
    const after = await queue.push({});
    await until(() => begun.has(after));
    expect(begun.size).toBe(1);
    expect((await queue.get(held))?.state).toBe('cancelled');
  });

  it('says how many jobs are lost when it is closed while Redis is away', async () => {
    const redis = await redisFor();
    const { queue, mode, errors } = await instanceOn(redis);
    redis.kill('SIGKILL');
    await mode('memory');
    for (let at = 0; at < 3; at += 1) await queue.push({});
    await queue.close(0);
    expect(errors.map(String)).toContain('Error: jobs lost that were in memory only: 3');
  });
});

describe('the service with QUEUE_FALLBACK=memory', () => {
  it('says in health and metrics where jobs are', async () => {
    const redis = await redisFor(DURABLE);
    const env = { REDIS_URL: redis.url, QUEUE_TYPE: 'redis', QUEUE_FALLBACK: 'memory' };
    const service = await serviceFor({ ...env, JOB_QUEUES: NAME, CACHE_TYPE: 'redis' });
    const { call, health, url } = service;
    expect(await health()).toMatchObject({ queue: 'redis', queue_type: 'redis' });
    redis.kill('SIGKILL');
    await service.mode('memory');
    const push = (body: object) => call('POST', `/api/jobs/${NAME}`, body, ALICE);
    const { status, body } = await push({ data: {} });
    expect(status).toBe(202);
    const state = async (id: string) =>
      (await call('GET', `/api/jobs/${NAME}/${id}`, undefined, ALICE)).body.state;
    await until(async () => (await state(body.job)) === 'completed');
    const held = (await push({ data: {}, id: 'import-1' })).body.job;
    expect(await health()).toMatchObject({
      ...{ queue: 'memory', queue_type: 'redis', queue_memory: { waiting: 1, running: 0 } },
    });
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^queue_mode\{mode="memory"\} 1$/m);
    expect(metrics).toMatch(/^queue_memory_jobs\{state="waiting"\} 1$/m);
    await restart(redis);
    await service.mode('redis');
    await until(async () => (await state(held)) === 'completed', { timeout: 10_000 });
    expect(await health()).toMatchObject({
      ...{ queue: 'redis', queue_memory: { waiting: 0, running: 0 } },
    });
  });

  it('goes on with split tasks while Redis is away, every item once', async () => {
    const [redis, postgres] = await Promise.all([redisFor(DURABLE), startPostgres()]);
    onTestFinished(() => postgres.stop());
    const env = { REDIS_URL: redis.url, QUEUE_TYPE: 'redis', QUEUE_FALLBACK: 'memory' };
    const { call } = await serviceFor({
      ...env,
      ...{ DATABASE_URL: postgres.url, WORKER_CONCURRENCY: '3', BATCH_LEASE_MS: '1000' },
    });
    const items = Array.from({ length: 300 }, () => ({ takes_ms: 15 }));
    const wanted = { kind: 'asl:away', items, batch_size: 20 };
    const { body } = await call('POST', '/api/screening', wanted, ALICE);
    const row = async () =>
      (await call('GET', `/api/screening/${body.task}`, undefined, ALICE)).body;
    await until(async () => (await row()).processed_items > 0);
    redis.kill('SIGKILL');
    const { processed_items } = (await row()) as { processed_items: number };
    // More than the batches that are in hand: others are begun.
    await until(async () => (await row()).processed_items > processed_items + 100, {
      timeout: 30_000,
    });
    // A batch that was on its way to Redis waits for it.
    await restart(redis);
    await until(async () => (await row()).status === 'completed', { timeout: 20_000 });
    expect(await row()).toMatchObject({ processed_items: 300, success_items: 300 });
  });

  it('without it a job is refused while Redis is away', async () => {
    const redis = await redisFor();
    const env = { REDIS_URL: redis.url, QUEUE_TYPE: 'redis', JOB_QUEUES: NAME };
    const { call, health, mode } = await serviceFor({ ...env, CACHE_TYPE: 'redis' });
    redis.kill('SIGKILL');
    await mode('memory');
    const { status, body } = await call('POST', `/api/jobs/${NAME}`, { data: 1 }, ALICE);
    expect([status, body.error]).toEqual([503, 'its store cannot be reached: try again']);
    expect((await health()).queue).toBe('redis');
  });
});

it('REDIS_ENABLED=false takes jobs in memory, as the way back of every stage', async () => {
  const env = { REDIS_ENABLED: 'false', REDIS_URL: 'redis://127.0.0.1:1', QUEUE_TYPE: 'redis' };
  const service = await serviceFor({ ...env, JOB_QUEUES: NAME });
  expect(await service.health()).toMatchObject({ queue: 'memory', redis: { status: 'off' } });
  const path = `/api/jobs/${NAME}`;
  const { job } = (await clientOf(service.url).call('POST', path, { data: {} }, ALICE)).body;
  await until(
    async () =>
      (await service.call('GET', `${path}/${job}`, undefined, ALICE)).body.state === 'completed',
  );
});
