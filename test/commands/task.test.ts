import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchLine } from '../../src/service/batches/line.js';
import { BatchStore } from '../../src/service/batches/store.js';
import { createPool } from '../../src/service/connection/postgres.js';
import { configured } from '../health/estate.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';

let server: PostgresServer;
let pool: pg.Pool;
let store: BatchStore;
beforeAll(async () => {
  server = await startPostgres();
  pool = createPool({ url: server.url });
  store = new BatchStore(pool);
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});

const run = (...argv: string[]) => configured({ postgres: { main: server.url } }).run(argv);
const json = async (...argv: string[]) => {
  const { code, stdout, stderr } = await run(...argv, '--json');
  if (stdout === '') throw new Error(stderr);
  return { code, result: JSON.parse(stdout) };
};

it('says that there are no split tasks where there are none', async () => {
  const { code, stderr } = await run('task', 'ls');
  expect(code).toBe(2);
  expect(stderr).toContain('there are no split tasks in main');
});

describe('task', () => {
  const items = Array.from({ length: 30 }, (_, paper) => ({ paper }));
  const create = () =>
    store.create({ user: 'alice', kind: 'title-screening', items, batchSize: 10 });

  it('show tells progress, rate, expected end, checkpoints, and batches that stand still', async () => {
    const id = await create();
    const claim = await store.claim({ task: id, batch: 0 }, 'service-1');
    if (!claim) throw new Error('not claimed');
    await pool.query(
      "UPDATE asl_schema.asl_screening_tasks SET started_at = now() - interval '10 s' WHERE id = $1",
      [id],
    );
    await store.checkpoint(
      claim,
      Array.from({ length: 5 }, () => ({ status: 'success' as const })),
    );
    const { result, code } = await json('task', 'show', id);
    expect(code).toBe(0);
    expect(result.task).toMatchObject({
      processed_items: 5,
      total_items: 30,
      status: 'processing',
    });
    expect(result.task.rate).toBeCloseTo(0.5, 1);
    const expected = Date.parse(result.task.expected_end) - Date.parse(result.task.last_checkpoint);
    expect(expected / 1_000).toBeCloseTo(50, -1);
    expect(result.batches).toMatchObject([
      { state: 'processing', current_index: 5, owner: 'service-1', stalled: false },
      { state: 'pending', queued: false },
      { state: 'pending' },
    ]);
    await pool.query(
      "UPDATE asl_schema.asl_screening_batches SET heartbeat_at = now() - interval '5 min' WHERE task_id = $1 AND batch_index = 0",
      [id],
    );
    const still = await run('task', 'show', id);
    expect(still.code).toBe(3);
    expect(still.stderr).toContain(`1 batches of ${id} stand still`);
    expect((await json('task', 'ls', '--status', 'processing')).result.tasks).toHaveLength(1);
  });

  it('retry puts back only the failed batches, from their checkpoints', async () => {
    const id = await create();
    for (const batch of [0, 1, 2]) {
      const claim = await store.claim({ task: id, batch }, 'service-1');
      if (!claim) throw new Error('not claimed');
      const count = batch === 0 ? 10 : 4;
      await store.checkpoint(
        claim,
        Array.from({ length: count }, () => ({ status: 'success' as const })),
      );
      if (batch > 0) await store.fail(claim, 'the quota is used up');
    }
    expect((await json('task', 'show', id)).result.task).toMatchObject({
      status: 'failed',
      failed_batches: 2,
    });
    expect((await json('task', 'retry', id, '--dry-run')).result.batches).toEqual([1, 2]);
    expect((await run('task', 'retry', id)).code).toBe(6);
    expect((await json('task', 'retry', id, '--yes')).result.batches).toEqual([1, 2]);
    const { result } = await json('task', 'show', id);
    expect(result.task).toMatchObject({
      status: 'processing',
      failed_batches: 0,
      processed_items: 18,
    });
    expect(result.batches).toMatchObject([
      { state: 'completed' },
      { state: 'pending', current_index: 4 },
      { state: 'pending', current_index: 4 },
    ]);
    const dispatched: number[] = [];
    await new BatchLine(store.pool).dispatch(async ({ task, batch }) => {
      if (task === id) dispatched.push(batch);
      return 'job';
    });
    expect(dispatched).toEqual([1, 2]);
    expect((await json('task', 'retry', id, '--yes')).result.batches).toEqual([]);
  });

  it('refuses what it does not know', async () => {
    expect((await run('task', 'show', 'nobody')).code).toBe(2);
    expect((await run('task', 'ls', '--status', 'done')).code).toBe(2);
  });
});
