import type { Query } from '../postgres/client.js';

/** A split task; times are ISO, counts are of items unless said otherwise. */
export interface TaskFacts {
  id: string;
  user: string;
  kind: string;
  status: string;
  total_items: number;
  processed_items: number;
  success_items: number;
  failed_items: number;
  conflict_items: number;
  batch_size: number;
  total_batches: number;
  processed_batches: number;
  failed_batches: number;
  /** Batches that have begun and whose worker has been silent for longer than `STALL_S`. */
  stalled_batches: number;
  current_batch_index: number;
  current_index: number;
  last_checkpoint: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  /** Items a second from its start to its last checkpoint. */
  rate: number | null;
  /** When it ends at that rate; null where it does not go on. */
  expected_end: string | null;
}

/** A batch of a task. */
export interface BatchFacts {
  batch: number;
  state: string;
  items: number;
  current_index: number;
  owner: string | null;
  attempts: number;
  /** Workers that died over it since its last checkpoint. */
  deaths: number;
  /** In a queue; one that is pending and in none waits for an instance that sweeps. */
  queued: boolean;
  heartbeat_at: string | null;
  last_checkpoint: string | null;
  stalled: boolean;
  error: string | null;
}

/** Seconds of silence of a batch's worker: an instance gives up on it after 30 s by default. */
const STALL_S = 60;

/** Whether this database has split tasks. */
export async function haveTasks(query: Query): Promise<boolean> {
  const [row] = await query<{ there: boolean }>(
    "SELECT to_regclass('asl_schema.asl_screening_batches') IS NOT NULL AS there",
  );
  return row?.there === true;
}

interface Row {
  [column: string]: unknown;
  elapsed: number | null;
}

const TASKS = `
  SELECT t.id, t.user_id AS "user", t.kind, t.status, t.total_items, t.processed_items, t.success_items,
    t.failed_items, t.conflict_items, t.batch_size, t.total_batches, t.processed_batches,
    t.failed_batches, t.current_batch_index, t.current_index, t.last_checkpoint, t.created_at,
    t.started_at, t.finished_at, extract(epoch FROM t.last_checkpoint - t.started_at)::float8 AS elapsed,
    (SELECT count(*)::int FROM asl_schema.asl_screening_batches b WHERE b.task_id = t.id
       AND b.state = 'processing' AND b.heartbeat_at < now() - interval '${STALL_S} s') AS stalled_batches
  FROM asl_schema.asl_screening_tasks t`;

/** Tasks, the newest first. */
export async function listTasks(
  query: Query,
  { status, limit }: { status?: string | undefined; limit: number },
): Promise<TaskFacts[]> {
  const rows = await query<Row>(
    `${TASKS} WHERE $1::text IS NULL OR t.status = $1 ORDER BY t.created_at DESC, t.id LIMIT $2`,
    [status ?? null, limit],
  );
  return rows.map(toTask);
}

export async function readTask(
  query: Query,
  id: string,
): Promise<{ task: TaskFacts; batches: BatchFacts[] } | undefined> {
  const [row] = await query<Row>(`${TASKS} WHERE t.id = $1`, [id]);
  if (!row) return undefined;
  const batches = await query<BatchFacts & { heartbeat_at: Date; last_checkpoint: Date }>(
    `SELECT batch_index AS batch, state, item_count AS items, current_index, owner, attempts, deaths,
       enqueued_at IS NOT NULL AS queued, heartbeat_at, last_checkpoint, error,
       state = 'processing' AND heartbeat_at < now() - interval '${STALL_S} s' AS stalled
     FROM asl_schema.asl_screening_batches WHERE task_id = $1 ORDER BY batch_index`,
    [id],
  );
  return {
    task: toTask(row),
    batches: batches.map((batch) => ({
      ...batch,
      heartbeat_at: iso(batch.heartbeat_at),
      last_checkpoint: iso(batch.last_checkpoint),
    })),
  };
}

function toTask({ elapsed, ...row }: Row): TaskFacts {
  const facts = row as unknown as TaskFacts;
  const rate = elapsed && elapsed > 0 ? facts.processed_items / elapsed : null;
  const left = facts.total_items - facts.processed_items;
  const last = iso(facts.last_checkpoint);
  const goesOn = facts.status === 'processing' && rate !== null && last !== null;
  return {
    ...facts,
    last_checkpoint: last,
    created_at: iso(facts.created_at) as string,
    started_at: iso(facts.started_at),
    finished_at: iso(facts.finished_at),
    rate: rate === null ? null : Math.round(rate * 1_000) / 1_000,
    expected_end: goesOn ? new Date(Date.parse(last) + (left / rate) * 1_000).toISOString() : null,
  };
}

function iso(moment: unknown): string | null {
  return moment instanceof Date ? moment.toISOString() : null;
}

/**
 * Puts the failed batches of a task back, from their last checkpoint on; instances that sweep bring them
 * to the queue. In one statement, so that a batch that somebody has begun anew meanwhile is left alone.
 * Returns their numbers.
 */
export async function putBack(query: Query, id: string): Promise<number[]> {
  const rows = await query<{ batch: number }>(
    `WITH back AS (
       UPDATE asl_schema.asl_screening_batches
       SET state = 'pending', enqueued_at = NULL, deaths = 0, error = NULL, finished_at = NULL
       WHERE task_id = $1 AND state = 'failed' RETURNING batch_index
     ), task AS (
       UPDATE asl_schema.asl_screening_tasks
       SET failed_batches = failed_batches - (SELECT count(*) FROM back),
         status = CASE WHEN status = 'failed' THEN 'processing' ELSE status END, finished_at = NULL
       WHERE id = $1 AND EXISTS (SELECT 1 FROM back)
     )
     SELECT batch_index AS batch FROM back ORDER BY 1`,
    [id],
  );
  return rows.map(({ batch }) => batch);
}
