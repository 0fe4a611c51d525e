import { type Query, quoteName } from '../../postgres/client.js';

/** A pg-boss schema and the version it is at: 20 is pg-boss 9, 24 is 10, 26 is 11, 27 and above 12. */
export interface BossSchema {
  schema: string;
  version: number;
}

/** Every pg-boss schema of a database that this user may read, known by its tables. */
export async function findSchemas(query: Query): Promise<BossSchema[]> {
  const found = await query<{ schema: string }>(`
    SELECT n.nspname AS schema
    FROM pg_namespace n
    JOIN pg_class job ON job.relnamespace = n.oid AND job.relname = 'job'
    JOIN pg_class version ON version.relnamespace = n.oid AND version.relname = 'version'
    JOIN pg_attribute a ON a.attrelid = version.oid AND a.attname = 'version' AND NOT a.attisdropped
    WHERE has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(version.oid, 'SELECT')
    ORDER BY 1`);
  const schemas: BossSchema[] = [];
  for (const { schema } of found) {
    const [row] = await query<{ version: number }>(
      `SELECT version FROM ${quoteName(schema)}.version LIMIT 1`,
    );
    if (row) schemas.push({ schema, version: Number(row.version) });
  }
  return schemas;
}
