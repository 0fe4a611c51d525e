import type { Query } from '../../postgres/client.js';
import type { Operation } from '../operation.js';
import type { Dialect } from './dialect.js';
import type { Circumstances } from './judge.js';
import { isUuid, type Row } from './rows.js';
import { descendantsOf } from './statements.js';

/** A job that can never run without another: the one it waits for, over as many steps as there are. */
export interface Descendant {
  root: string;
  queue: string;
  id: string;
}

export async function descendants(
  query: Query,
  d: Dialect,
  queue: string,
  ids: readonly string[],
): Promise<Descendant[]> {
  if (!d.has('job_dependency')) return [];
  return query<Descendant & Record<string, unknown>>(
    `${descendantsOf(d)} SELECT root::text AS root, name AS queue, id::text AS id
     FROM descendant ORDER BY 1, 2, 3`,
    [queue, ids.filter(isUuid)],
  );
}

/** The queues whose jobs go to this one when they fail for good, by their settings or a job's own. */
export async function sourcesOf(query: Query, d: Dialect, queue: string): Promise<string[]> {
  const parts = (['queue', 'job', 'archive'] as const)
    .filter((table) => d.has(table, 'dead_letter'))
    .map((table) => `SELECT name FROM ${d.table(table)} WHERE dead_letter = $1`);
  if (parts.length === 0) return [];
  const rows = await query<{ name: string }>(`${parts.join(' UNION ')} ORDER BY 1`, [queue]);
  return rows.map(({ name }) => name).filter((name) => name !== queue);
}

/**
 * Where a dead letter goes back to. Since schema 34 (12.23) each says where it came from; before
 * that nothing does, and only a queue that alone names this one as its dead letter queue can be meant.
 */
export function destinationOf(
  row: Row,
  sources: readonly string[],
  queues: ReadonlySet<string>,
): NonNullable<Circumstances['destination']> {
  const [only, ...others] = row.source_name === null ? sources : [row.source_name];
  if (only === undefined) return { unknown: 'no queue names this one as its dead letter queue' };
  if (others.length > 0)
    return { unknown: `it does not say where it came from: ${sources.join(' or ')}` };
  if (!queues.has(only)) return { unknown: `the queue it came from, ${only}, is no longer there` };
  return { queue: only };
}

/** What `judge` must know of each job beside its row, for one operation. */
export async function circumstances(
  query: Query,
  d: Dialect,
  queue: string,
  operation: Operation,
  rows: ReadonlyMap<string, Row>,
): Promise<(row: Row) => Circumstances> {
  if (operation.type === 'remove') {
    const waiting = await descendants(query, d, queue, [...rows.keys()]);
    return ({ id }) => ({ dependents: waiting.filter(({ root }) => root === id).length });
  }
  if (operation.type === 'redrive') {
    const sources = await sourcesOf(query, d, queue);
    const there = d.has('queue')
      ? await query<{ name: string }>(`SELECT name FROM ${d.table('queue')}`)
      : [];
    const queues = new Set(there.map(({ name }) => name));
    return (row) => ({ destination: destinationOf(row, sources, queues) });
  }
  return () => ({});
}
