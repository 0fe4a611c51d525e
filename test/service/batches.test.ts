import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { BatchLine } from '../../src/service/batches/line.js';
import { recommendedBatchSize, splitIntoBatches } from '../../src/service/batches/plan.js';
import { type ItemWork, runBatch } from '../../src/service/batches/run.js';
import { BatchRunner } from '../../src/service/batches/runner.js';
import { BatchStore } from '../../src/service/batches/store.js';
import { FencedError } from '../../src/service/batches/types.js';
import type { Json } from '../../src/service/cache/types.js';
import { createPool } from '../../src/service/connection/postgres.js';
import { BullmqQueue } from '../../src/service/queue/bullmq.js';
import { MemoryQueue } from '../../src/service/queue/memory.js';
import { PgbossQueue } from '../../src/service/queue/pgboss.js';
import type { JobQueue } from '../../src/service/queue/types.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

let postgres: PostgresServer;
let redis: RedisServer;
let pool: pg.Pool;
let store: BatchStore;
beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  pool = createPool({ url: postgres.url, max: 20 });
  store = new BatchStore(pool);
});
afterAll(async () => {
  await pool.end();
  await Promise.all([postgres.stop(), redis.stop()]);
});

const itemsOf = (count: number): Json[] => Array.from({ length: count }, (_, paper) => ({ paper }));
const done: ItemWork = async (item) => ({ status: 'success', value: item });

const resultsOf = async (task: string): Promise<number[]> =>
  (
    await pool.query(
      'SELECT item_index FROM asl_schema.asl_screening_results WHERE task_id = $1 ORDER BY 1',
      [task],
    )
  ).rows.map((row) => row.item_index);
const rowOf = (task: string) => store.get('alice', task);
/** Puts back every batch that somebody has: as if their workers had been silent for longer than the lease. */
const lapse = async () => {
  await sleep(3);
  await new BatchLine(pool).releaseStalled(1);
};
const everyOne = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('the size of a batch', () => {
  it('is what takes just under 15 minutes, from 10 to 1,000', () => {
    expect([7.2, 18, 10, 0.1, 500, 0.9].map(recommendedBatchSize)).toEqual([
      125, 50, 90, 1_000, 10, 1_000,
    ]);
    expect(() => recommendedBatchSize(0)).toThrow(RangeError);
  });

  it('cuts without losing or doubling an item', () => {
    const batches = splitIntoBatches(everyOne(25), 10);
    expect(batches.map(({ first, items }) => [first, items.length])).toEqual([
      [0, 10],
      [10, 10],
      [20, 5],
    ]);
    expect(batches.flatMap(({ items }) => items)).toEqual(everyOne(25));
  });
});

describe('a batch', () => {
  const task = (count: number) =>
    store.create({
      user: 'alice',
      kind: 'title-screening',
      items: itemsOf(count),
      batchSize: count,
    });

  it('saves every ten items, and says so on the row of the task', async () => {
    const id = await task(25);
    const seen: unknown[] = [];
    await runBatch(store, { task: id, batch: 0 }, done, {
      worker: 'one',
      async onProgress() {
        const row = await rowOf(id);
        seen.push([row?.current_index, row?.processed_items, row?.checkpoint_data]);
      },
    });
    expect(seen).toEqual([
      [10, 10, { batch: 0, index: 10, data: null }],
      [20, 20, { batch: 0, index: 20, data: null }],
      [25, 25, { batch: 0, index: 25, data: null }],
    ]);
    expect(await rowOf(id)).toMatchObject({
      status: 'completed',
      processed_batches: 1,
      success_items: 25,
      last_checkpoint: expect.any(Date),
    });
  });

  it('goes on from its checkpoint after a crash: no result is missing, none is there twice', async () => {
    const id = await task(40);
    let worked = 0;
    const dies: ItemWork = async (item) => {
      worked += 1;
      // It falls silent in the middle of the third ten.
      if (worked === 25) await new Promise(() => {});
      return { status: 'success', value: item };
    };
    void runBatch(store, { task: id, batch: 0 }, dies, { worker: 'dies' });
    await until(async () => worked === 25 && (await resultsOf(id)).length === 20);
    // Its worker may be alive: nobody else gets the batch before its lease is over.
    expect(await runBatch(store, { task: id, batch: 0 }, done, { worker: 'x' })).toBe('left alone');
    await lapse();
    const again: number[] = [];
    const end = await runBatch(
      store,
      { task: id, batch: 0 },
      async (item) => {
        again.push((item as { paper: number }).paper);
        return { status: 'success' };
      },
      { worker: 'two' },
    );
    expect(end).toBe('completed');
    expect(again).toEqual(everyOne(40).slice(20));
    expect(await resultsOf(id)).toEqual(everyOne(40));
    expect(await runBatch(store, { task: id, batch: 0 }, done, { worker: 'x' })).toBe('left alone');
  });

  it('that was taken over is told at its next heartbeat, and cannot save any more', async () => {
    const id = await task(10);
    const late = await store.claim({ task: id, batch: 0 }, 'late');
    await lapse();
    await store.claim({ task: id, batch: 0 }, 'new');
    if (!late) throw new Error('not claimed');
    await expect(store.checkpoint(late, [{ status: 'success' }])).rejects.toThrow(FencedError);
    await expect(store.heartbeat(late)).rejects.toThrow(FencedError);
    expect(await resultsOf(id)).toEqual([]);
    await lapse();
    const stopped = runBatch(
      store,
      { task: id, batch: 0 },
      (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new Error('told'))),
        ),
      { worker: 'slow', heartbeatMs: 20 },
    );
    await until(
      async () =>
        (await pool.query("SELECT 1 FROM asl_schema.asl_screening_batches WHERE owner = 'slow'"))
          .rowCount === 1,
    );
    await lapse();
    expect(await stopped).toBe('taken over');
  });

  it('counts items that fail and conflict, and keeps odd texts', async () => {
    const id = await task(3);
    const outcomes: ItemWork[] = [
      async () => ({ status: 'conflict', value: 'a\u0000b \ud800' }),
      async () => {
        throw new Error('no text layer');
      },
      done,
    ];
    let at = 0;
    await runBatch(
      store,
      { task: id, batch: 0 },
      (item, call) => (outcomes[at++] as ItemWork)(item, call),
      { worker: 'one' },
    );
    expect(await rowOf(id)).toMatchObject({
      ...{ status: 'completed', success_items: 1, failed_items: 1, conflict_items: 1 },
    });
  });

  it('over which worker after worker dies is failed, and so is its task', async () => {
    const id = await task(10);
    for (let death = 1; death <= 10; death += 1) {
      await store.claim({ task: id, batch: 0 }, `worker-${death}`);
      await lapse();
    }
    expect(await rowOf(id)).toMatchObject({ status: 'failed', failed_batches: 1 });
    expect(await store.claim({ task: id, batch: 0 }, 'again')).toMatchObject({ next: 0 });
    expect(await rowOf(id)).toMatchObject({ status: 'processing', failed_batches: 0 });
  });
});

const engines: Record<string, (kind: string) => JobQueue> = {
  memory: () => new MemoryQueue(),
  bullmq: (name) =>
    new BullmqQueue({
      address: { host: redis.host, port: redis.port, db: 0 },
      name,
      keyPrefix: 'test:',
      onError() {},
      lockMs: 1_000,
    }),
  pgboss: (name) => new PgbossQueue({ pool, name, onError() {}, pollMs: 50 }),
};

describe.each(Object.entries(engines))('split tasks on %s', (engine, openQueue) => {
  function runner(work: ItemWork, worker = 'one', concurrency = 5) {
    const one = new BatchRunner({ store, openQueue, work, worker, concurrency, leaseMs: 1_000 });
    onTestFinished(() => one.close(0));
    one.start();
    return one;
  }

  it('are done by several workers, every item once', async () => {
    const owners = new Set<string>();
    const work =
      (name: string): ItemWork =>
      async (item) => {
        owners.add(name);
        // Long enough for the second to come in.
        await sleep(15);
        return { status: 'success', value: item };
      };
    const first = runner(work('one'), 'one', 2);
    if (engine !== 'memory') runner(work('two'), 'two', 2);
    const id = await first.submit({
      ...{ user: 'alice', kind: `asl:many-${engine}`, items: itemsOf(200), batchSize: 20 },
    });
    await until(async () => (await rowOf(id))?.status === 'completed', { timeout: 20_000 });
    expect(await resultsOf(id)).toEqual(everyOne(200));
    if (engine !== 'memory') expect(owners.size).toBe(2);
    expect(await rowOf(id)).toMatchObject({ processed_batches: 10, processed_items: 200 });
  });

  it('whose jobs the queue has lost are queued anew', async () => {
    const id = await store.create({
      ...{ user: 'alice', kind: `asl:lost-${engine}`, items: itemsOf(20), batchSize: 10 },
    });
    // Said to be in the queue, but nobody has ever heard of the job.
    await new BatchLine(pool).dispatch(async () => 'no-such-job');
    runner(done, 'finds');
    await until(async () => (await rowOf(id))?.status === 'completed', { timeout: 20_000 });
    expect(await resultsOf(id)).toEqual(everyOne(20));
  });

  it('go to another instance when theirs ends in the middle', async () => {
    const slow: ItemWork = async (item, { signal }) => {
      await sleep(20, undefined, { signal }).catch(() => {});
      return { status: 'success', value: item };
    };
    const leaves = runner(slow, 'leaves');
    const id = await leaves.submit({
      ...{ user: 'alice', kind: `asl:leaves-${engine}`, items: itemsOf(60), batchSize: 30 },
    });
    await until(async () => Number((await rowOf(id))?.processed_items) > 0);
    await leaves.close(0);
    expect((await rowOf(id))?.status).toBe('processing');
    runner(done, 'stays');
    await until(async () => (await rowOf(id))?.status === 'completed', { timeout: 20_000 });
    expect(await resultsOf(id)).toEqual(everyOne(60));
  });
});
