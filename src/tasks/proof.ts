import type { Query } from '../postgres/client.js';

/** What the tables say of every item of a task, in items. */
export interface Proof {
  status: string;
  total: number;
  /** There once, more than once, and not at all, of those from 0 to `total` - 1. */
  once: number;
  twice: number;
  missing: number;
  /** Results of items that the task does not have. */
  foreign: number;
  /** What else does not fit: counters, and batches that say more or less than their results. */
  contradictions: string[];
}

/** Holds a task's results against its items, its counters and its batches; undefined when it has no row. */
export async function proveTask(query: Query, id: string): Promise<Proof | undefined> {
  const [row] = await query<Counted>(PROOF, [id]);
  if (!row) return undefined;
  const { status, total, once, twice, missing, foreign, rows, processed, counted } = row;
  const contradictions = [
    ...(processed === rows ? [] : [`its row counts ${processed} items, and has ${rows} results`]),
    ...(counted === processed
      ? []
      : [`its row counts ${processed} items, and ${counted} by their outcomes`]),
    ...(row.covered === total
      ? []
      : [`its batches have ${row.covered} items, and the task ${total}`]),
    ...row.wrong.map((batch) => `batch ${batch} is at another item than its results say`),
  ];
  return { status, total, once, twice, missing, foreign, contradictions };
}

interface Counted extends Omit<Proof, 'contradictions'> {
  rows: number;
  processed: number;
  counted: number;
  covered: number;
  wrong: number[];
}

/** In one statement: a worker may be at it. */
const PROOF = `
  WITH task AS (
    SELECT * FROM asl_schema.asl_screening_tasks WHERE id = $1
  ), times AS (
    SELECT item_index AS item, count(*)::int AS n FROM asl_schema.asl_screening_results
    WHERE task_id = $1 GROUP BY 1
  ), held AS (
    SELECT t.item, t.n, t.item >= 0 AND t.item < task.total_items AS own FROM times t, task
  ), batches AS (
    SELECT b.batch_index, b.item_count, b.current_index, (
      SELECT count(*)::int FROM held h
      WHERE h.item >= b.first_item AND h.item < b.first_item + b.item_count
    ) AS results
    FROM asl_schema.asl_screening_batches b WHERE b.task_id = $1
  )
  SELECT task.status, task.total_items AS total,
    (SELECT count(*)::int FROM held WHERE own AND n = 1) AS once,
    (SELECT count(*)::int FROM held WHERE own AND n > 1) AS twice,
    task.total_items - (SELECT count(*)::int FROM held WHERE own) AS missing,
    (SELECT coalesce(sum(n), 0)::int FROM held WHERE NOT own) AS foreign,
    (SELECT coalesce(sum(n), 0)::int FROM held) AS rows,
    task.processed_items AS processed,
    task.success_items + task.failed_items + task.conflict_items AS counted,
    (SELECT coalesce(sum(item_count), 0)::int FROM batches) AS covered,
    coalesce((SELECT array_agg(batch_index ORDER BY batch_index) FROM batches
      WHERE current_index <> results), '{}') AS wrong
  FROM task`;
