import type pg from 'pg';
import { inTransaction } from '../connection/postgres.js';
import { COUNT_FAILED } from './counting.js';
import { haveBatchTables } from './schema.js';
import type { BatchRef } from './types.js';

/** Workers that may die over a batch without a checkpoint in between, before it counts as failed. */
const MOST_DEATHS = 10;

/** Batches on their way round: what is in no queue goes into one, and comes back when it was lost on the way. */
export class BatchLine {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * Puts batches back whose worker has been silent for `leaseMs`; returns how many. One over which
   * worker after worker dies without getting on is failed instead.
   */
  async releaseStalled(leaseMs: number): Promise<number> {
    const { rowCount } = await this.#pool.query(
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
    if (!(await haveBatchTables(this.#pool))) return 0;
    return inTransaction(this.#pool, async (client) => {
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
    const { rows } = await this.#pool.query(
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
      const { rowCount } = await this.#pool.query(
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
    if (!(await haveBatchTables(this.#pool))) return [];
    const { rows } = await this.#pool.query<{ kind: string }>(
      `SELECT DISTINCT t.kind FROM asl_schema.asl_screening_tasks t
       WHERE t.status IN ('pending', 'processing', 'failed') AND EXISTS (
         SELECT 1 FROM asl_schema.asl_screening_batches b
         WHERE b.task_id = t.id AND b.state IN ('pending', 'processing'))`,
    );
    return rows.map(({ kind }) => kind);
  }
}
