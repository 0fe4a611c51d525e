import { type Query, quoteName } from '../postgres/client.js';
import type { BossSchema } from '../queues/pgboss/schemas.js';
import type { PostgresLine } from './result.js';

/** A million rows are not counted to the end: more than so many are many. */
const COUNTED = 10_000;

/**
 * Milliseconds since pg-boss last looked after its jobs, in the schema where it is longest ago; null
 * where it never has. pg-boss 9 and 10 note it in `version`, 11 and 12 for each queue.
 */
export async function maintenanceAge(
  query: Query,
  schemas: readonly BossSchema[],
): Promise<number | null> {
  const ages: number[] = [];
  for (const { schema } of schemas) {
    const columns = await query<{ table: 'version' | 'queue'; column: string }>(
      `SELECT c.relname AS table, a.attname AS column
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
       WHERE n.nspname = $1 AND (c.relname, a.attname) IN
         (('version', 'maintained_on'), ('queue', 'monitor_on'), ('queue', 'maintain_on'))
         AND has_table_privilege(c.oid, 'SELECT')`,
      [schema],
    );
    if (columns.length === 0) continue;
    const latest = columns.map(
      ({ table, column }) => `(SELECT max(${column}) FROM ${quoteName(schema)}.${table})`,
    );
    const [row] = await query<{ age: number | null }>(
      `SELECT (extract(epoch FROM now() - greatest(${latest.join(', ')})) * 1000)::float8 AS age`,
    );
    if (typeof row?.age === 'number') ages.push(Math.max(0, Math.round(row.age)));
  }
  return ages.length > 0 ? Math.max(...ages) : null;
}

/** The expired rows of the application's cache table; null where there is none that may be read. */
export async function expiredCache(query: Query): Promise<PostgresLine['app_cache']> {
  const [table] = await query<{ schema: string }>(`
    SELECT n.nspname AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'expires_at' AND NOT a.attisdropped
    WHERE c.relname = 'app_cache' AND c.relkind IN ('r', 'p')
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY 1 LIMIT 1`);
  if (!table) return null;
  const from = `${quoteName(table.schema)}.app_cache WHERE expires_at < now()`;
  // The index on expires_at answers both.
  const [row] = await query<{ rows: number; overdue: number | null }>(`
    SELECT (SELECT count(*) FROM (SELECT 1 FROM ${from} LIMIT ${COUNTED + 1}) expired)::float8 AS rows,
      (SELECT (extract(epoch FROM now() - min(expires_at)) * 1000)::float8 FROM ${from}) AS overdue`);
  return { expired_rows: row?.rows ?? null, overdue_ms: Math.round(row?.overdue ?? 0) };
}
