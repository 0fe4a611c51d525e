import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { until } from '../servers/wait.js';
import { redisFor, serviceFor } from './harness.js';

const ALICE = { 'X-User-Id': 'alice' };
const BOB = { 'X-User-Id': 'bob' };
let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

describe('split tasks over HTTP', () => {
  it.each(['memory', 'redis', 'pgboss'])(
    'are done, and show how far they are (%s)',
    async (type) => {
      const redis = await redisFor();
      const { call } = await serviceFor({
        ...{ DATABASE_URL: postgres.url, REDIS_URL: redis.url, QUEUE_TYPE: type },
        WORKER_CONCURRENCY: '4',
      });
      const items = Array.from({ length: 45 }, (_, paper) => ({
        ...{ paper, takes_ms: 1 },
        outcome: paper === 3 ? 'failed' : paper === 4 ? 'conflict' : 'success',
      }));
      const wanted = { kind: `asl:screen-${type}`, items, batch_size: 10 };
      const { status, body } = await call('POST', '/api/screening', wanted, ALICE);
      expect(status).toBe(202);
      const path = `/api/screening/${body.task}`;
      await until(
        async () => (await call('GET', path, undefined, ALICE)).body.status === 'completed',
      );
      expect((await call('GET', path, undefined, ALICE)).body).toMatchObject({
        ...{ total_batches: 5, processed_batches: 5, processed_items: 45 },
        ...{ success_items: 43, failed_items: 1, conflict_items: 1 },
        checkpoint_data: { data: null },
      });
      expect((await call('GET', path, undefined, BOB)).status).toBe(404);
      expect((await call('DELETE', path, undefined, BOB)).body).toEqual({ cancelled: false });
    },
  );

  it('are cancelled: what runs ends, nothing more is saved', async () => {
    const { call } = await serviceFor({ DATABASE_URL: postgres.url, BATCH_LEASE_MS: '500' });
    const items = Array.from({ length: 100 }, () => ({ takes_ms: 20 }));
    const { body } = await call('POST', '/api/screening', { kind: 'cancel', items }, ALICE);
    const path = `/api/screening/${body.task}`;
    const row = async () => (await call('GET', path, undefined, ALICE)).body;
    await until(async () => (await row()).processed_items >= 10);
    expect((await call('DELETE', path, undefined, ALICE)).body).toEqual({ cancelled: true });
    const { processed_items, status } = await row();
    expect(status).toBe('cancelled');
    expect(processed_items).toBeLessThan(100);
  });

  it('bad input is refused in one line, with nothing stored', async () => {
    const { call, errors } = await serviceFor({ DATABASE_URL: postgres.url });
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    const stored = async () =>
      (await client.query('SELECT count(*) FROM asl_schema.asl_screening_tasks')).rows[0].count;
    const before = await stored();
    const kind = 'title-screening';
    for (const [status, path, body, user] of [
      [401, '/api/screening', { kind, count: 1 }, {}],
      [400, '/api/screening', { kind }, ALICE],
      [400, '/api/screening', { kind, count: 1, items: [1] }, ALICE],
      [400, '/api/screening', { kind: 'a*', count: 1 }, ALICE],
      [400, '/api/screening', { kind: '../x', count: 1 }, ALICE],
      [400, '/api/screening', { kind, count: 0 }, ALICE],
      [400, '/api/screening', { kind, count: '5' }, ALICE],
      [400, '/api/screening', { kind, count: 1e9 }, ALICE],
      [400, '/api/screening', { kind, items: 'all' }, ALICE],
      [400, '/api/screening', { kind, count: 1, seconds_per_item: -1 }, ALICE],
      [400, '/api/screening', { kind, count: 1 }, { 'X-User-Id': 'a:*' }],
      [413, '/api/screening', { kind, items: ['x'.repeat(1_000_001)] }, ALICE],
    ] as const) {
      const answer = await call('POST', path, body, user as Record<string, string>);
      expect([answer.status, JSON.stringify(body).slice(0, 60)]).toEqual([
        status,
        JSON.stringify(body).slice(0, 60),
      ]);
      expect(answer.body.error).not.toContain('\n');
    }
    for (const id of ['a:b', '*', 'a..b', 'a%00b', 'a%2F..%2Fb'])
      expect((await call('GET', `/api/screening/${id}`, undefined, ALICE)).status).toBe(400);
    expect(await stored()).toBe(before);
    await client.end();
    expect(errors).toEqual([]);
  });
});

it('without its token every request but that for health is refused', async () => {
  const token = 'a-token-of-24-characters';
  const redis = await redisFor();
  const { call, health } = await serviceFor({ API_TOKEN: token, REDIS_URL: redis.url });
  expect(await health()).toMatchObject({ status: 'ok' });
  for (const authorization of [undefined, 'Bearer ', 'Bearer wrong', `Basic ${token}`]) {
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await call('PUT', '/api/cache/k', { value: 1 }, headers);
    expect(answer.status).toBe(401);
    expect(answer.body.error).toMatch(/^the token is (missing|wrong)$/);
  }
  const allowed = { authorization: `Bearer ${token}` };
  expect((await call('GET', '/api/cache/k', undefined, allowed)).status).toBe(404);
});

it('bad ids of executions are refused, with nothing stored', async () => {
  const redis = await redisFor();
  const { call } = await serviceFor({ REDIS_URL: redis.url, CACHE_TYPE: 'redis' });
  for (const id of ['a:b', '*', 'a..b', 'a%00b', '%7Bx%7D'])
    expect((await call('POST', `/api/executions/${id}`, {})).status).toBe(400);
  expect((await call('POST', '/api/executions/ok', { takes_ms: 'x' })).status).toBe(400);
  expect((await call('GET', '/api/executions/ok')).status).toBe(404);
});

it('while Redis is away an execution is refused, as nobody can know who runs', async () => {
  const redis = await redisFor();
  const { call, mode } = await serviceFor({ REDIS_URL: redis.url, CACHE_TYPE: 'redis' });
  redis.kill('SIGKILL');
  await mode('memory');
  expect((await call('POST', '/api/executions/x', {})).status).toBe(503);
});
