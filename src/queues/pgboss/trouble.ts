import type { Query } from '../../postgres/client.js';
import type { Trouble } from '../trouble.js';
import { dialectOf } from './dialect.js';
import { expiryOf } from './rows.js';
import { type BossSchema, readTables } from './schemas.js';
import { inState } from './segments.js';

/** What goes wrong in the queues of a schema, by their names. */
export async function bossTrouble(query: Query, schema: BossSchema): Promise<Map<string, Trouble>> {
  const d = dialectOf(schema, await readTables(query, schema.schema));
  const rows = await query<{ queue: string; failed: number; stalled: number }>(
    `SELECT j.name AS queue,
       count(*) FILTER (WHERE ${inState(d, 'failed')}
         AND ${d.job('completed_on', 'j')} >= now() - interval '1 hour')::float8 AS failed,
       count(*) FILTER (WHERE ${inState(d, 'active')} AND ${expiryOf(d, 'j')} < now())::float8 AS stalled
     FROM ${d.table('job')} j WHERE ${inState(d, 'failed')} OR ${inState(d, 'active')}
     GROUP BY 1`,
  );
  return new Map(
    rows.map(({ queue, failed, stalled }) => [queue, { failed_last_hour: failed, stalled }]),
  );
}
