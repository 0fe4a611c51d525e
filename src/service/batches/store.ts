import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Json } from '../cache/types.js';
import { inTransaction, jsonbText } from '../connection/postgres.js';
import { recommendedBatchSize, splitIntoBatches } from './plan.js';
import { createBatchTables, haveBatchTables } from './schema.js';

/** Which batch of which task. */
export interface BatchRef {
  task: string;
  batch: number;
}

/** A batch in a worker's hands. `fence` is higher than that of every worker before it. */
export interface Claim extends BatchRef {
  fence: string;
  /** Index in the task of its first item. */
  first: number;
  items: Json[];
  /** Index in the batch of the item to go on with: all before it are in the results. */
  next: number;
}

/** What became of one item. */
export interface ItemResult {
  status: 'success' | 'failed' | 'conflict';
  value?: Json | undefined;
}

export interface NewTask {
  user: string;
  /** What is done, such as `title-screening`: the name of the queue, too. */
  kind: string;
  items: readonly Json[];
  /** For the recommended size of a batch, where `batchSize` is left out. */
  secondsPerItem?: number | undefined;
  batchSize?: number | undefined;
}

/** Another worker has taken the batch over: whatever this one still does is not saved. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** Workers that may die over a batch without a checkpoint in between, before it counts as failed. */
const MOST_DEATHS = 10;

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
   * back first, by `releaseStalled`: a worker that is alive never loses its batch to a job that came twice.
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

  /**
   * Puts batches back whose worker has been silent for `leaseMs`; returns how many. One over which
   * worker after worker dies without getting on is failed instead.
   */
  async releaseStalled(leaseMs: number): Promise<number> {
    const { rowCount } = await this.pool.query(
      `WITH ended AS (
         UPDATE asl_schema.asl_screening_batches SET
           state = CASE WHEN deaths + 1 >= $2 THEN 'failed' ELSE 'pending' END,
           error = CASE WHEN deaths + 1 >= $2 THEN 'its worker died ' || $2 || ' times in a row at item ' || current_index END,
           finished_at = CASE WHEN deaths + 1 >= $2 THEN now() END,
           deaths = deaths + 1, fence = fence + 1, enqueued_at = NULL
         WHERE state = 'processing' AND heartbeat_at < now() - $1 * interval '1 ms'
         RETURNING task_id, state
       ), counted AS (${COUNT_FAILED})
       SELECT 1 FROM ended`,
      [leaseMs, MOST_DEATHS],
    );
    return rowCount ?? 0;
  }

  /**
   * Hands batches that are in no queue to `push`, and notes that they are. A crash between the two puts
   * one into a queue twice, never not at all; whoever comes second leaves it alone. `push` returns the job's id.
   */
  async dispatch(push: (batch: BatchRef & { kind: string }) => Promise<string>): Promise<number> {
    if (!(await haveBatchTables(this.pool))) return 0;
    return inTransaction(this.pool, async (client) => {
      const { rows } = await client.query(
        `SELECT b.task_id, b.batch_index, t.kind
         FROM asl_schema.asl_screening_batches b JOIN asl_schema.asl_screening_tasks t ON t.id = b.task_id
         WHERE b.state = 'pending' AND b.enqueued_at IS NULL
         ORDER BY t.created_at, b.batch_index LIMIT 100 FOR UPDATE OF b SKIP LOCKED`,
      );
      for (const { task_id: task, batch_index: batch, kind } of rows) {
        const job = await push({ task, batch, kind });
        await client.query(
          `UPDATE asl_schema.asl_screening_batches SET enqueued_at = clock_timestamp(), job_id = $3
           WHERE task_id = $1 AND batch_index = $2`,
          [task, batch, job],
        );
      }
      return rows.length;
    });
  }

  /**
   * Asks `waits` for batches that have been in a queue for `afterMs` whether their job is still there, in
   * line; those of which it is not are put back. A queue loses jobs when its Redis is emptied, and when a
   * worker dies between taking a job and claiming its batch. Returns how many were put back.
   */
  async recall(
    afterMs: number,
    waits: (job: { kind: string; id: string }) => Promise<boolean>,
  ): Promise<number> {
    const { rows } = await this.pool.query(
      `SELECT b.task_id, b.batch_index, b.job_id, t.kind
       FROM asl_schema.asl_screening_batches b JOIN asl_schema.asl_screening_tasks t ON t.id = b.task_id
       WHERE b.state = 'pending' AND b.enqueued_at < now() - $1 * interval '1 ms'
       ORDER BY b.enqueued_at LIMIT 100`,
      [afterMs],
    );
    let lost = 0;
    for (const { task_id, batch_index, job_id, kind } of rows) {
      const isLost = !(await waits({ kind, id: job_id }));
      // Not if it has been taken meanwhile, or dispatched anew.
      const { rowCount } = await this.pool.query(
        `UPDATE asl_schema.asl_screening_batches
         SET enqueued_at = CASE WHEN $4 THEN NULL ELSE now() END
         WHERE task_id = $1 AND batch_index = $2 AND state = 'pending' AND job_id = $3`,
        [task_id, batch_index, job_id, isLost],
      );
      lost += isLost ? (rowCount ?? 0) : 0;
    }
    return lost;
  }

  /** Kinds of tasks that have batches left to do: the queues that need a worker. */
  async openKinds(): Promise<string[]> {
    if (!(await haveBatchTables(this.pool))) return [];
    const { rows } = await this.pool.query<{ kind: string }>(
      `SELECT DISTINCT t.kind FROM asl_schema.asl_screening_tasks t
       WHERE t.status IN ('pending', 'processing', 'failed') AND EXISTS (
         SELECT 1 FROM asl_schema.asl_screening_batches b
         WHERE b.task_id = t.id AND b.state IN ('pending', 'processing'))`,
    );
    return rows.map(({ kind }) => kind);
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

/** $1 task, $2 batch, $3 fence, $4 next item, $5 whether it was the last, $6 results, $7 what was saved. */
const CHECKPOINT = `
  WITH held AS (
    UPDATE asl_schema.asl_screening_batches
    SET current_index = $4, heartbeat_at = now(), last_checkpoint = now(), deaths = 0,
      state = CASE WHEN $5 THEN 'completed' ELSE state END, finished_at = CASE WHEN $5 THEN now() END
    WHERE task_id = $1 AND batch_index = $2 AND fence = $3 AND state = 'processing'
    RETURNING task_id
  ), saved AS (
    INSERT INTO asl_schema.asl_screening_results (task_id, item_index, status, result)
    SELECT held.task_id, r.index, r.status, r.value
    FROM held, jsonb_to_recordset($6) AS r(index int, status text, value jsonb)
    RETURNING status
  ), counted AS (
    UPDATE asl_schema.asl_screening_tasks
    SET processed_items = processed_items + (SELECT count(*) FROM saved),
      success_items = success_items + (SELECT count(*) FROM saved WHERE status = 'success'),
      failed_items = failed_items + (SELECT count(*) FROM saved WHERE status = 'failed'),
      conflict_items = conflict_items + (SELECT count(*) FROM saved WHERE status = 'conflict'),
      current_batch_index = $2, current_index = $4, last_checkpoint = now(), checkpoint_data = $7,
      processed_batches = processed_batches + $5::boolean::int,
      ${endOfTask('$5::boolean::int', '0')}
    WHERE id = (SELECT task_id FROM held)
  )
  SELECT task_id FROM held`;

/** The task's end when its last batch ends. Counted on its row, whose lock two ends that meet wait for. */
function endOfTask(done: string, failed: string): string {
  const over = `(${done} + ${failed} > 0 AND processed_batches + failed_batches + ${done} + ${failed} >= total_batches)`;
  return `
      status = CASE WHEN NOT ${over} THEN status
        WHEN failed_batches + ${failed} > 0 THEN 'failed' ELSE 'completed' END,
      finished_at = CASE WHEN ${over} THEN now() ELSE finished_at END`;
}

/** After `ended`, the batches that have just ended, with their tasks. */
const COUNT_FAILED = `
  UPDATE asl_schema.asl_screening_tasks t
  SET failed_batches = failed_batches + e.failed, ${endOfTask('0', 'e.failed')}
  FROM (SELECT task_id, count(*) FILTER (WHERE state = 'failed')::int AS failed FROM ended GROUP BY 1) e
  WHERE t.id = e.task_id AND e.failed > 0`;
