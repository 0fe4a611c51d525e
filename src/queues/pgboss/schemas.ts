import { type Query, quoteName } from '../../postgres/client.js';

/** A pg-boss schema and the version it is at: `dialect.ts` says which pg-boss that is. */
export interface BossSchema {
  schema: string;
  version: number;
}

/** Every pg-boss schema of a database that this user may read, known by its tables and their columns. */
export async function findSchemas(query: Query): Promise<BossSchema[]> {
  const found = await query<{ schema: string }>(`
    SELECT n.nspname AS schema
    FROM pg_namespace n
    JOIN pg_class job ON job.relnamespace = n.oid AND job.relname = 'job'
    JOIN pg_class version ON version.relnamespace = n.oid AND version.relname = 'version'
    JOIN pg_attribute a ON a.attrelid = version.oid AND a.attname = 'version' AND NOT a.attisdropped
    JOIN pg_attribute s ON s.attrelid = job.oid AND s.attname = 'state' AND NOT s.attisdropped
    WHERE has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(version.oid, 'SELECT')
    ORDER BY 1`);
  const schemas: BossSchema[] = [];
  for (const { schema } of found) {
    const version = await readVersion(query, schema);
    if (version !== undefined) schemas.push({ schema, version });
  }
  return schemas;
}

export async function readVersion(query: Query, schema: string): Promise<number | undefined> {
  const [row] = await query<{ version: number }>(
    `SELECT version FROM ${quoteName(schema)}.version LIMIT 1`,
  );
  return row && Number(row.version);
}

/** The columns of each table of a schema; a name that is not there is a table that is not there. */
export async function readTables(query: Query, schema: string): Promise<Map<string, Set<string>>> {
  const rows = await query<{ table: string; columns: string[] }>(
    `SELECT c.relname AS table, array_agg(a.attname::text) AS columns
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE n.nspname = $1 AND NOT c.relispartition
       AND c.relname IN ('job', 'archive', 'queue', 'schedule', 'job_dependency')
     GROUP BY 1`,
    [schema],
  );
  return new Map(rows.map(({ table, columns }) => [table, new Set(columns)]));
}
