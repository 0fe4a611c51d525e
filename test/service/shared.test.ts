import { describe, expect, it, onTestFinished } from 'vitest';
import { startPostgres } from '../servers/postgres.js';
import { until } from '../servers/wait.js';
import { raw, redisFor, restart, serviceFor } from './harness.js';

const ALICE = { 'X-User-Id': 'alice' };
const BOB = { 'X-User-Id': 'bob' };

describe('get or create over HTTP', () => {
  it('is made by one of all who ask at once at two instances', async () => {
    const redis = await redisFor();
    const env = { REDIS_URL: redis.url, CACHE_TYPE: 'redis' };
    const services = [await serviceFor(env, 'one'), await serviceFor(env, 'two')];
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        services[n % 2]?.call('POST', '/api/cache/asl:llm:1/create', { value: n, takes_ms: 100 }),
      ),
    );
    expect(answers.every((answer) => answer?.status === 200)).toBe(true);
    const makers = answers.filter((answer) => answer?.body.created);
    expect(makers).toHaveLength(1);
    const values = new Set(answers.map((answer) => answer?.body.value));
    expect([...values]).toEqual([makers[0]?.body.value]);
    expect((await services[1]?.get('asl:llm:1'))?.body.value).toBe(makers[0]?.body.value);
  });

  it('a failure is told, and not kept', async () => {
    const { call } = await serviceFor({});
    const failed = await call('POST', '/api/cache/k/create', { value: 1, fails: true });
    expect([failed.status, failed.body.error]).toEqual([502, 'the value could not be made']);
    expect((await call('POST', '/api/cache/k/create', { value: 2 })).body).toEqual({
      ...{ key: 'k', value: 2, created: true },
    });
  });
});

describe('hashes and counters over HTTP', () => {
  it('are shared by instances, and go on while Redis is away', async () => {
    const redis = await redisFor({ aof: true, config: ['appendfsync always'] });
    const env = { REDIS_URL: redis.url, CACHE_TYPE: 'redis' };
    const [one, two] = [await serviceFor(env, 'one'), await serviceFor(env, 'two')];
    await one.call('PUT', '/api/hashes/config:1/limit', { value: { n: 5 } });
    await one.call('POST', '/api/counters/hits', { by: 3 });
    expect((await two.call('GET', '/api/hashes/config:1')).body).toEqual({
      ...{ key: 'config:1', fields: { limit: { n: 5 } } },
    });
    expect((await two.call('POST', '/api/counters/hits', {})).body.value).toBe(4);
    redis.kill('SIGKILL');
    await one.mode('memory');
    await one.call('PUT', '/api/hashes/config:1/more', { value: 1 });
    await one.call('DELETE', '/api/hashes/config:1/limit');
    expect((await one.call('POST', '/api/counters/hits', { by: 2 })).body.value).toBe(2);
    expect((await one.call('GET', '/api/counters/hits')).body.value).toBe(2);
    await restart(redis);
    for (const service of [one, two]) await service.mode('redis');
    expect((await two.call('GET', '/api/counters/hits')).body.value).toBe(6);
    expect((await two.call('GET', '/api/hashes/config:1')).body.fields).toEqual({ more: 1 });
    expect((await two.call('GET', '/api/hashes/config:1/limit')).status).toBe(404);
  });

  it('every key has a time to live, and reading makes none', async () => {
    const redis = await redisFor();
    const { call } = await serviceFor({ REDIS_URL: redis.url, CACHE_TYPE: 'redis' });
    await call('GET', '/api/hashes/none');
    expect((await call('GET', '/api/counters/none')).body.value).toBe(0);
    await call('PUT', '/api/hashes/h/f', { value: null, ttl: 60 });
    await call('POST', '/api/counters/c', { ttl: 60 });
    await raw(redis, async (client) => {
      expect((await client.keys('*:{hash,counter}:*')).length).toBe(0);
      expect((await client.keys('test:ci:[hc]*')).sort()).toEqual([
        'test:ci:counter:c',
        'test:ci:hash:h',
      ]);
      for (const key of ['test:ci:counter:c', 'test:ci:hash:h'])
        expect(await client.ttl(key)).toBeGreaterThan(50);
    });
  });

  it('a key that holds something else is a conflict, and no outage', async () => {
    const redis = await redisFor();
    const { call, health } = await serviceFor({ REDIS_URL: redis.url, CACHE_TYPE: 'redis' });
    await raw(redis, async (client) => {
      await client.set('test:ci:hash:h', 'text', 'EX', 60);
      await client.set('test:ci:counter:c', 'text', 'EX', 60);
    });
    expect((await call('GET', '/api/hashes/h')).status).toBe(409);
    expect((await call('PUT', '/api/hashes/h/f', { value: 1 })).status).toBe(409);
    expect((await call('POST', '/api/counters/c', {})).status).toBe(409);
    expect((await health()).cache).toBe('redis');
  });
});

describe.each(['memory', 'redis', 'pgboss'])('single jobs over HTTP (%s)', (type) => {
  it('are done, shown with progress, cancelled and retried, each for its user alone', async () => {
    const [redis, postgres] = await Promise.all([redisFor(), startPostgres()]);
    onTestFinished(() => postgres.stop());
    const { call } = await serviceFor({
      ...{ REDIS_URL: redis.url, DATABASE_URL: postgres.url, QUEUE_TYPE: type },
      ...{ JOB_QUEUES: 'dc:medical-extraction,dc:other', WORKER_CONCURRENCY: '2' },
    });
    const path = '/api/jobs/dc:medical-extraction';
    const push = async (body: object, user = ALICE) =>
      (await call('POST', path, body, user)).body.job;
    const view = async (id: string, user = ALICE) => call('GET', `${path}/${id}`, undefined, user);
    const is = (id: string, state: string) =>
      until(async () => (await view(id)).body.state === state, { timeout: 20_000 });

    const done = await push({ data: { paper: 7 } });
    await is(done, 'completed');
    expect((await view(done)).body).toMatchObject({
      ...{ id: done, data: { paper: 7 }, result: { done: true }, attempts: 1 },
      progress: { percent: 100, message: 'step 4 of 4' },
    });
    expect((await view(done, BOB)).status).toBe(404);
    expect((await call('GET', `/api/jobs/dc:other/${done}`, undefined, ALICE)).status).toBe(404);

    // The same id of two users is two jobs; of one user, one.
    const mine = await push({ data: 1, id: 'import-1' });
    expect(await push({ data: 2, id: 'import-1' })).toBe(mine);
    expect(await push({ data: 3, id: 'import-1' }, BOB)).not.toBe(mine);
    await is(mine, 'completed');
    expect((await view(mine)).body.data).toBe(1);

    const waits = await push({ data: {}, delay_ms: 600_000 });
    const runs = await push({ data: { takes_ms: 60_000 } });
    await is(runs, 'processing');
    for (const id of [waits, runs]) {
      expect((await call('DELETE', `${path}/${id}`, undefined, BOB)).body.cancelled).toBe(false);
      expect((await call('DELETE', `${path}/${id}`, undefined, ALICE)).body.cancelled).toBe(true);
      await is(id, 'cancelled');
    }
    expect((await call('POST', `${path}/${done}/retry`, undefined, ALICE)).body.retried).toBe(
      false,
    );
  });
});

it('a kind of split tasks is no queue of single jobs', async () => {
  const postgres = await startPostgres();
  onTestFinished(() => postgres.stop());
  const { call } = await serviceFor({ DATABASE_URL: postgres.url, JOB_QUEUES: 'dc:jobs' });
  const answer = await call('POST', '/api/screening', { kind: 'dc:jobs', count: 1 }, ALICE);
  expect(answer.status).toBe(400);
});
