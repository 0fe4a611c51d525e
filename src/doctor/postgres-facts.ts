import { type Query, quoteName } from '../postgres/client.js';
import { type BossSchema, findSchemas } from '../queues/pgboss/schemas.js';

/** A table with dead rows, by the statistics that autovacuum goes by. */
export interface TableFacts {
  schema: string;
  table: string;
  live: number;
  dead: number;
  bytes: number;
  /** Seconds since the last vacuum of either kind; null: never. */
  vacuumed_s: number | null;
  autovacuum: boolean;
}

/** All that is judged of one Postgres. */
export interface PostgresFacts {
  version: string;
  versionNumber: number;
  role: {
    name: string;
    superuser: boolean;
    createRole: boolean;
    createDb: boolean;
    replication: boolean;
    bypassRls: boolean;
  };
  settings: Record<string, string>;
  tls: boolean;
  /** The server's own address that answered; null over a unix socket. */
  address: string | null;
  publicCreate: boolean;
  connections: { used: number; limit: number };
  /** Sessions that hold a transaction open and do nothing: how many, the longest in seconds and its pid. */
  idleInTransaction: { count: number; longest_s: number | null; pid: number | null };
  transactionAge: number;
  tables: TableFacts[];
  boss: (BossSchema & { maintained_s: number | null })[];
  database: string;
}

const SETTINGS = [
  'fsync',
  'full_page_writes',
  'synchronous_commit',
  'autovacuum',
  'track_counts',
  'idle_in_transaction_session_timeout',
  'password_encryption',
];

/** Reads only. Nothing here asks for more rights than any role has. */
export async function readPostgresFacts(query: Query): Promise<PostgresFacts> {
  const [row] = await query<Record<string, never>>(`
    SELECT current_setting('server_version') AS version,
      current_setting('server_version_num')::int AS number,
      current_database() AS database, current_user AS name,
      r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
      coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls,
      host(inet_server_addr()) AS address,
      coalesce((SELECT has_schema_privilege('public', oid, 'CREATE')
                FROM pg_namespace WHERE nspname = 'public'), false) AS public_create,
      (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
      current_setting('max_connections')::int AS "limit",
      (SELECT age(datfrozenxid)::float8 FROM pg_database WHERE datname = current_database()) AS xid_age
    FROM pg_roles r WHERE r.rolname = current_user`);
  const settings = await query<{ name: string; setting: string }>(
    'SELECT name, setting FROM pg_settings WHERE name = ANY($1)',
    [SETTINGS],
  );
  const [idle] = await query<{ count: number; longest: number | null; pid: number | null }>(`
    SELECT count(*)::int AS count, max(extract(epoch FROM now() - state_change))::float8 AS longest,
      (array_agg(pid ORDER BY state_change))[1] AS pid
    FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'`);
  const boss = await findSchemas(query);
  const schemas = [...boss.map(({ schema }) => schema), 'asl_schema'];
  return {
    version: String(row?.version).split(' ')[0] ?? '',
    versionNumber: Number(row?.number),
    role: {
      name: String(row?.name),
      superuser: row?.rolsuper === true,
      createRole: row?.rolcreaterole === true,
      createDb: row?.rolcreatedb === true,
      replication: row?.rolreplication === true,
      bypassRls: row?.rolbypassrls === true,
    },
    settings: Object.fromEntries(settings.map(({ name, setting }) => [name, setting])),
    tls: row?.tls === true,
    address: row?.address ?? null,
    publicCreate: row?.public_create === true,
    connections: { used: Number(row?.used), limit: Number(row?.limit) },
    idleInTransaction: {
      count: idle?.count ?? 0,
      longest_s: idle?.longest ?? null,
      pid: idle?.pid ?? null,
    },
    transactionAge: Number(row?.xid_age),
    tables: await tablesOf(query, schemas),
    boss: await Promise.all(
      boss.map(async (one) => ({ ...one, maintained_s: await maintained(query, one.schema) })),
    ),
    database: String(row?.database),
  };
}

function tablesOf(query: Query, schemas: string[]): Promise<TableFacts[]> {
  return query<TableFacts>(
    `SELECT s.schemaname AS schema, s.relname AS table, s.n_live_tup::float8 AS live,
       s.n_dead_tup::float8 AS dead, pg_total_relation_size(s.relid)::float8 AS bytes,
       extract(epoch FROM now() - greatest(s.last_vacuum, s.last_autovacuum))::float8 AS vacuumed_s,
       NOT ('autovacuum_enabled=false' = ANY(coalesce(c.reloptions, '{}'))) AS autovacuum
     FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
     WHERE s.schemaname = ANY($1) OR s.relname = 'app_cache'
     ORDER BY 1, 2`,
    [schemas],
  );
}

/**
 * Seconds since pg-boss last looked after its tables; null where it does not say. Version 10 notes it in
 * `version`, later ones with each queue.
 */
async function maintained(query: Query, schema: string): Promise<number | null> {
  const columns = await query<{ table: string; column: string }>(
    `SELECT table_name AS table, column_name AS column FROM information_schema.columns
     WHERE table_schema = $1 AND table_name IN ('version', 'queue')
       AND column_name IN ('maintained_on', 'maintain_on')`,
    [schema],
  );
  // Of version 10 and 11, a schema that was migrated may have both: the later says more.
  const places = columns.map(
    ({ table, column }) =>
      `SELECT max(${quoteName(column)})::timestamptz AS at FROM ${quoteName(schema)}.${quoteName(table)}`,
  );
  if (places.length === 0) return null;
  const [row] = await query<{ age: number | null }>(
    `SELECT extract(epoch FROM now() - max(at))::float8 AS age FROM (${places.join(' UNION ALL ')}) t`,
  );
  return row?.age ?? null;
}
