import { type Query, quoteName } from '../../postgres/client.js';
import type { QueueSnapshot } from '../queue.js';
import type { BossSchema } from './schemas.js';

/** From this schema version on (pg-boss 10) columns have underscores and queues have a table. */
const UNDERSCORES = 21;
/** pg-boss keeps queues of its own, named like this. */
const INTERNAL = '\\_\\_pgboss\\_\\_%';

interface Row {
  queue: string;
  waiting: number;
  active: number;
  delayed: number;
  completed: number;
  failed: number;
  oldest_waiting_ms: number | null;
}

/** Every queue of a schema as it stands, also those without a job. */
export async function snapshotBossQueues(
  query: Query,
  source: string,
  { schema, version }: BossSchema,
): Promise<QueueSnapshot[]> {
  const own = quoteName(schema);
  const modern = version >= UNDERSCORES;
  const since = modern ? 'greatest(created_on, start_after)' : 'greatest(createdon, startafter)';
  const due = `state::text IN ('created', 'retry') AND ${modern ? 'start_after' : 'startafter'}`;
  const counts = `
    SELECT name AS queue,
      count(*) FILTER (WHERE ${due} <= now())::float8 AS waiting,
      count(*) FILTER (WHERE ${due} > now())::float8 AS delayed,
      count(*) FILTER (WHERE state::text = 'active')::float8 AS active,
      count(*) FILTER (WHERE state::text = 'completed')::float8 AS completed,
      count(*) FILTER (WHERE state::text = 'failed')::float8 AS failed,
      (extract(epoch FROM now() - min(${since}) FILTER (WHERE ${due} <= now())) * 1000)::float8
        AS oldest_waiting_ms
    FROM ${own}.job GROUP BY name`;
  const text = modern
    ? `SELECT q.name AS queue, c.waiting, c.delayed, c.active, c.completed, c.failed, c.oldest_waiting_ms
       FROM ${own}.queue q LEFT JOIN (${counts}) c ON c.queue = q.name
       WHERE q.name NOT LIKE '${INTERNAL}' ORDER BY 1`
    : `SELECT * FROM (${counts}) c WHERE queue NOT LIKE '${INTERNAL}' ORDER BY 1`;
  return (await query<Row>(text)).map((row) => ({
    engine: 'pgboss',
    source,
    scope: schema,
    queue: row.queue,
    waiting: row.waiting ?? 0,
    active: row.active ?? 0,
    delayed: row.delayed ?? 0,
    blocked: 0,
    completed: row.completed ?? 0,
    failed: row.failed ?? 0,
    oldest_waiting_ms: row.oldest_waiting_ms,
    paused: null,
    workers: null,
  }));
}
