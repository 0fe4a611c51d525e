import type { Query } from '../postgres/client.js';

/** A batch at one moment: who has it, how far it is, and which of its results are saved. */
export interface BatchMoment {
  batch: number;
  /** Index in the task of its first item. */
  first: number;
  items: number;
  state: string;
  owner: string | null;
  /** Another for everyone who takes the batch up. */
  turn: string;
  /** Index in the batch of the item to go on with, as its last checkpoint has it. */
  index: number;
  /** Milliseconds since that checkpoint; null before the first one. */
  age: number | null;
  /** The item (index in the batch) of each result, by item and version: a row that is written anew has another. */
  saved: Map<string, number>;
}

interface Row extends Omit<BatchMoment, 'saved'> {
  saved_items: number[] | null;
  versions: string[] | null;
}

/** Batches that a worker has in hand, and of each what is saved. */
export async function batchesOf(query: Query, task: string, owner: string): Promise<BatchMoment[]> {
  const rows = await query<Row>(
    `${MOMENT} AND b.state = 'processing' AND b.owner = $2 ORDER BY b.batch_index`,
    [task, owner],
  );
  return rows.map(toMoment);
}

export async function batchAt(
  query: Query,
  task: string,
  batch: number,
): Promise<BatchMoment | undefined> {
  const [row] = await query<Row>(`${MOMENT} AND b.batch_index = $2`, [task, batch]);
  return row && toMoment(row);
}

function toMoment({ saved_items, versions, ...row }: Row): BatchMoment {
  const saved = new Map(
    (saved_items ?? []).map((item, at) => [`${item} ${versions?.[at]}`, item - row.first]),
  );
  return { ...row, saved };
}

/**
 * xmin is the transaction that wrote the row: a result that is replaced by another of the same item has
 * a new one. https://www.postgresql.org/docs/current/ddl-system-columns.html
 */
const MOMENT = `
  SELECT b.batch_index AS batch, b.first_item AS first, b.item_count AS items, b.state, b.owner,
    b.attempts || ' ' || coalesce(b.owner, '') AS turn, b.current_index AS index,
    extract(epoch FROM clock_timestamp() - b.last_checkpoint)::float8 * 1000 AS age,
    r.saved_items, r.versions
  FROM asl_schema.asl_screening_batches b, LATERAL (
    SELECT array_agg(item_index) AS saved_items, array_agg(xmin::text) AS versions
    FROM asl_schema.asl_screening_results
    WHERE task_id = b.task_id AND item_index >= b.first_item AND item_index < b.first_item + b.item_count
  ) r
  WHERE b.task_id = $1`;

/** Whether a task is one that workers are at, or will be. */
export async function isOpen(query: Query, task: string): Promise<boolean> {
  const [row] = await query<{ status: string }>(
    'SELECT status FROM asl_schema.asl_screening_tasks WHERE id = $1',
    [task],
  );
  return row?.status === 'pending' || row?.status === 'processing';
}
