import type { Query } from '../../postgres/client.js';
import type { QueueSnapshot } from '../queue.js';
import { type Dialect, dialectOf } from './dialect.js';
import { type BossSchema, readTables } from './schemas.js';
import { inState } from './segments.js';

/** pg-boss keeps queues of its own, named like this. */
const INTERNAL = '\\_\\_pgboss\\_\\_%';

interface Row {
  queue: string;
  waiting: number | null;
  active: number | null;
  delayed: number | null;
  blocked: number | null;
  completed: number | null;
  failed: number | null;
  oldest_waiting_ms: number | null;
}

/** Every queue of a schema as it stands, also those without a job. */
export async function snapshotBossQueues(
  query: Query,
  source: string,
  schema: BossSchema,
): Promise<QueueSnapshot[]> {
  const d = dialectOf(schema, await readTables(query, schema.schema));
  return snapshotQueues(query, source, d);
}

/** One pass over the jobs. */
export async function snapshotQueues(
  query: Query,
  source: string,
  d: Dialect,
): Promise<QueueSnapshot[]> {
  const count = (state: Parameters<typeof inState>[1]) =>
    `count(*) FILTER (WHERE ${inState(d, state)})::float8 AS ${state}`;
  const since = `greatest(${d.job('created_on', 'j')}, ${d.job('start_after', 'j')})`;
  const counts = `
    SELECT j.name AS queue, ${count('waiting')}, ${count('delayed')}, ${count('active')},
      ${count('blocked')}, ${count('completed')}, ${count('failed')},
      (extract(epoch FROM now() - min(${since}) FILTER (WHERE ${inState(d, 'waiting')})) * 1000)::float8
        AS oldest_waiting_ms
    FROM ${d.table('job')} j GROUP BY j.name`;
  const rows = await query<Row & Record<string, unknown>>(
    `SELECT q.name AS queue, c.waiting, c.delayed, c.active, c.blocked, c.completed, c.failed,
       c.oldest_waiting_ms
     FROM (${namesOf(d)}) q LEFT JOIN (${counts}) c ON c.queue = q.name ORDER BY 1`,
  );
  return rows.map((row) => ({
    engine: 'pgboss',
    source,
    scope: d.schema,
    queue: row.queue,
    waiting: row.waiting ?? 0,
    active: row.active ?? 0,
    delayed: row.delayed ?? 0,
    blocked: row.blocked ?? 0,
    completed: row.completed ?? 0,
    failed: row.failed ?? 0,
    oldest_waiting_ms: row.oldest_waiting_ms,
    paused: null,
    workers: null,
  }));
}

/** Up to pg-boss 9 a queue was nothing but a name that jobs have in common. */
export function namesOf(d: Dialect): string {
  const table = (name: 'queue' | 'job' | 'archive') =>
    `SELECT name FROM ${d.table(name)} WHERE name NOT LIKE '${INTERNAL}'`;
  if (d.has('queue', 'name')) return table('queue');
  return d.has('archive')
    ? `${table('job')} UNION ${table('archive')}`
    : `${table('job')} GROUP BY 1`;
}
