import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Json } from '../cache/types.js';
import { inTransaction, jsonbText } from '../connection/postgres.js';
import { CHECKPOINT, COUNT_FAILED } from './counting.js';
import { recommendedBatchSize, splitIntoBatches } from './plan.js';
import { createBatchTables, haveBatchTables } from './schema.js';
import { type BatchRef, type Claim, FencedError, type ItemResult, type NewTask } from './types.js';

/** Split tasks in Postgres: the truth about what is done, whichever queue brings the batches round. */
export class BatchStore {
  readonly pool: pg.Pool;
  #tables: Promise<void> | undefined;

  constructor(pool: pg.Pool) {
    this.pool = pool;
  }

  /** Stores a task with its batches, all or nothing; returns its id. Dispatch brings them to a queue. */
  async create(task: NewTask): Promise<string> {
    const { user, kind, items, secondsPerItem } = task;
    if (items.length === 0) throw new RangeError('a task needs an item');
    const size = task.batchSize ?? recommendedBatchSize(secondsPerItem ?? 1);
    const batches = splitIntoBatches(items, size);
    await this.#ready();
    const id = randomUUID();
    await inTransaction(this.pool, async (client) => {
      await client.query(
        `INSERT INTO asl_schema.asl_screening_tasks
           (id, user_id, kind, total_items, batch_size, seconds_per_item, total_batches)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        [id, user, kind, items.length, size, secondsPerItem ?? null, batches.length],
      );
      await client.query(
        `INSERT INTO asl_schema.asl_screening_batches (task_id, batch_index, first_item, item_count, items)
         SELECT $1, b.index, b.first, jsonb_array_length(b.items), b.items
         FROM jsonb_to_recordset($2) AS b(index int, first int, items jsonb)`,
        [id, jsonbText(batches)],
      );
    });
    return id;
  }

  /**
   * Takes a batch; undefined when it is done, or another is at it. One whose worker has died has to be put
   * back first, by `BatchLine.releaseStalled`: a worker that is alive never loses its batch to a job that came twice.
   */
  async claim({ task, batch }: BatchRef, owner: string): Promise<Claim | undefined> {
    const { rows } = await this.pool.query(
      `WITH before AS (
         SELECT task_id, batch_index, state FROM asl_schema.asl_screening_batches
         WHERE task_id = $1 AND batch_index = $2 AND state IN ('pending', 'failed')
         FOR UPDATE
       ), taken AS (
         UPDATE asl_schema.asl_screening_batches b
         SET state = 'processing', fence = fence + 1, owner = $3, attempts = attempts + 1,
           heartbeat_at = now(), error = NULL, finished_at = NULL
         FROM before WHERE b.task_id = before.task_id AND b.batch_index = before.batch_index
         RETURNING b.task_id, b.fence, b.first_item, b.items, b.current_index, before.state
       ), started AS (
         UPDATE asl_schema.asl_screening_tasks t
         SET status = 'processing', started_at = coalesce(started_at, now()), finished_at = NULL,
           failed_batches = failed_batches - (taken.state = 'failed')::int
         FROM taken WHERE t.id = taken.task_id
           AND (t.status IN ('pending', 'failed') OR taken.state = 'failed')
       )
       SELECT fence, first_item, items, current_index FROM taken`,
      [task, batch, owner],
    );
    const [row] = rows;
    if (!row) return undefined;
    const { fence, first_item: first, items, current_index: next } = row;
    return { task, batch, fence: String(fence), first, items, next };
  }

  /**
   * Saves results and the place to go on from in one statement: after a crash either both are there or
   * neither. With the last item the batch is completed, with the last batch the task. Throws FencedError.
   */
  async checkpoint(claim: Claim, results: readonly ItemResult[], data: Json = null): Promise<void> {
    const next = claim.next + results.length;
    const rows = results.map(({ status, value = null }, index) => ({
      index: claim.first + claim.next + index,
      status,
      value,
    }));
    const { rows: saved } = await this.pool.query(CHECKPOINT, [
      claim.task,
      claim.batch,
      claim.fence,
      next,
      next === claim.items.length,
      jsonbText(rows),
      jsonbText({ batch: claim.batch, index: next, data }),
    ]);
    if (saved.length === 0) throw new FencedError(`batch ${claim.batch} has been taken over`);
    claim.next = next;
  }

  /** Says that its worker is alive. Throws FencedError. */
  async heartbeat({ task, batch, fence }: Claim): Promise<void> {
    const { rowCount } = await this.pool.query(
      `UPDATE asl_schema.asl_screening_batches SET heartbeat_at = now()
       WHERE task_id = $1 AND batch_index = $2 AND fence = $3 AND state = 'processing'`,
      [task, batch, fence],
    );
    if (rowCount === 0) throw new FencedError(`batch ${batch} has been taken over`);
  }

  /** Ends a batch that cannot be done; what it has saved stays. Nothing when it was taken over. */
  async fail({ task, batch, fence }: Claim, error: string): Promise<void> {
    await this.pool.query(
      `WITH ended AS (
         UPDATE asl_schema.asl_screening_batches
         SET state = 'failed', error = $4, finished_at = now()
         WHERE task_id = $1 AND batch_index = $2 AND fence = $3 AND state = 'processing'
         RETURNING task_id, state
       ) ${COUNT_FAILED}`,
      [task, batch, fence, error.slice(0, 1_000)],
    );
  }

  /** Gives a batch back for others to go on with. Nothing when it was taken over. */
  async release({ task, batch, fence }: Claim): Promise<void> {
    await this.pool.query(
      `UPDATE asl_schema.asl_screening_batches
       SET state = 'pending', enqueued_at = NULL, fence = fence + 1
       WHERE task_id = $1 AND batch_index = $2 AND fence = $3 AND state = 'processing'`,
      [task, batch, fence],
    );
  }

  /** Ends a task: its batches are done no further. False when it had ended already. */
  async cancel(user: string, task: string): Promise<boolean> {
    if (!(await haveBatchTables(this.pool))) return false;
    // Batches first, as everywhere: two statements that lock in another order could wait for each other.
    return inTransaction(this.pool, async (client) => {
      await client.query(
        `UPDATE asl_schema.asl_screening_batches SET state = 'cancelled', fence = fence + 1
         WHERE task_id = (SELECT id FROM asl_schema.asl_screening_tasks WHERE id = $1 AND user_id = $2)
           AND state IN ('pending', 'processing')`,
        [task, user],
      );
      const { rowCount } = await client.query(
        `UPDATE asl_schema.asl_screening_tasks SET status = 'cancelled', finished_at = now()
         WHERE id = $1 AND user_id = $2 AND status IN ('pending', 'processing')`,
        [task, user],
      );
      return (rowCount ?? 0) > 0;
    });
  }

  /** A task as its row has it; undefined when there is none of this user. */
  async get(user: string, task: string): Promise<Record<string, unknown> | undefined> {
    if (!(await haveBatchTables(this.pool))) return undefined;
    const { rows } = await this.pool.query(
      'SELECT * FROM asl_schema.asl_screening_tasks WHERE id = $1 AND user_id = $2',
      [task, user],
    );
    return rows[0];
  }

  #ready(): Promise<void> {
    this.#tables ??= createBatchTables(this.pool).catch((error: unknown) => {
      this.#tables = undefined;
      throw error;
    });
    return this.#tables;
  }
}
