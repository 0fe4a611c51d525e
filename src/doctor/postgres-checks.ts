import { quoteName } from '../postgres/client.js';
import { age, bytesText, countText, percentText } from '../words.js';
import { isPrivate } from './network.js';
import type { PostgresFacts } from './postgres-facts.js';
import { VERSION_CHECKS } from './postgres-version.js';
import { type Advised, advise, type Check } from './result.js';

export const POSTGRES_CHECKS: readonly Check<PostgresFacts>[] = [
  roleRights,
  publicSchema,
  transport,
  durability,
  connections,
  idleInTransaction,
  bloat,
  autovacuum,
  wraparound,
  bossMaintenance,
  ...VERSION_CHECKS,
];

function roleRights({ role }: PostgresFacts): Advised[] {
  const extra = [
    ...(role.superuser ? ['SUPERUSER'] : []),
    ...(role.createRole ? ['CREATEROLE'] : []),
    ...(role.createDb ? ['CREATEDB'] : []),
    ...(role.replication ? ['REPLICATION'] : []),
    ...(role.bypassRls ? ['BYPASSRLS'] : []),
  ];
  if (extra.length === 0) return [];
  return [
    advise('warn', 'role', {
      message: `the role ${role.name} is ${extra.join(', ')}`,
      why: 'an application needs the tables of its schemas and no more: whoever takes it over has the whole server',
      mend: `ALTER ROLE ${quoteName(role.name)} ${extra.map((right) => `NO${right}`).join(' ')};`,
    }),
  ];
}

function publicSchema({ publicCreate }: PostgresFacts): Advised[] {
  if (!publicCreate) return [];
  return [
    advise('warn', 'public_schema', {
      message: 'every role may create tables and functions in the schema public',
      why: 'one can put a function there that another role then runs (the default before PostgreSQL 15)',
      mend: 'REVOKE CREATE ON SCHEMA public FROM PUBLIC;',
    }),
  ];
}

function transport({ tls, address }: PostgresFacts): Advised[] {
  if (tls || address === null || isPrivate(address)) return [];
  return [
    advise('critical', 'tls', {
      message: `no TLS, and ${address} is reached over a public network`,
      why: 'the password and every row can be read and changed on the way',
      mend: 'ALTER SYSTEM SET ssl = on;   (then ?sslmode=verify-full in DATABASE_URL)',
    }),
  ];
}

function durability({ settings }: PostgresFacts): Advised[] {
  const off = (name: string) => settings[name] === 'off';
  const set = (name: string) => `ALTER SYSTEM SET ${name} = on; SELECT pg_reload_conf();`;
  return [
    ...(off('fsync')
      ? [
          advise('critical', 'fsync', {
            message: 'fsync is off',
            why: 'a power failure leaves a database that cannot be repaired',
            mend: set('fsync'),
          }),
        ]
      : []),
    ...(off('full_page_writes')
      ? [
          advise('critical', 'full_page_writes', {
            message: 'full_page_writes is off',
            why: 'a page that was half written at a crash stays damaged',
            mend: set('full_page_writes'),
          }),
        ]
      : []),
    ...(off('synchronous_commit')
      ? [
          advise('warn', 'synchronous_commit', {
            message: 'a commit is reported before it is on disk',
            why: 'a crash loses the last moments: a checkpoint that was saved may be gone, and its items are done again',
            mend: set('synchronous_commit'),
          }),
        ]
      : []),
  ];
}

/** Of the limit. */
const CONNECTIONS = { warn: 0.8, critical: 0.9 };

function connections({ connections: { used, limit } }: PostgresFacts): Advised[] {
  const share = used / limit;
  if (share <= CONNECTIONS.warn) return [];
  return [
    advise(share > CONNECTIONS.critical ? 'critical' : 'warn', 'connections', {
      message: `${used} of ${limit} connections are in use (${percentText(share)})`,
      why: 'at the limit every new instance, worker and operator is refused',
      mend: `ALTER SYSTEM SET max_connections = ${limit * 2};   (a restart; better: smaller pools, or PgBouncer)`,
    }),
  ];
}

const LONG_TRANSACTION_S = 300;

function idleInTransaction({ idleInTransaction: idle, settings, role }: PostgresFacts): Advised[] {
  const findings: Advised[] = [];
  if ((idle.longest_s ?? 0) > LONG_TRANSACTION_S)
    findings.push(
      advise('warn', 'idle_in_transaction', {
        message: `${idle.count} sessions hold a transaction open and do nothing, the longest for ${age(idle.longest_s ?? 0)}`,
        why: 'no dead row that is younger can be removed, and its locks are held',
        mend: `SELECT pg_terminate_backend(${idle.pid});`,
      }),
    );
  if (settings.idle_in_transaction_session_timeout === '0')
    findings.push(
      advise('warn', 'idle_in_transaction', {
        message: 'a transaction that was forgotten is never ended',
        why: 'one crashed deploy script can hold locks and keep the queue tables growing for days',
        mend: `ALTER ROLE ${quoteName(role.name)} SET idle_in_transaction_session_timeout = '5min';`,
      }),
    );
  return findings;
}

/** Below so many dead rows a table is small anyway. */
const DEAD = { rows: 10_000, share: 0.3 };

function bloat({ tables }: PostgresFacts): Advised[] {
  return tables
    .filter(({ dead, live }) => dead > DEAD.rows && dead / (dead + live) > DEAD.share)
    .map(({ schema, table, dead, live, bytes, vacuumed_s }) =>
      advise('warn', 'bloat', {
        message: `${schema}.${table}: ${countText(dead)} dead rows beside ${countText(live)} live ones, ${bytesText(bytes)}; vacuumed ${vacuumed_s === null ? 'never' : `${age(vacuumed_s)} ago`}`,
        why: 'fetching a job walks over them: the queue gets slower with every job',
        mend: `VACUUM (ANALYZE) ${quoteName(schema)}.${quoteName(table)};`,
      }),
    );
}

function autovacuum({ settings, tables }: PostgresFacts): Advised[] {
  const everywhere = settings.autovacuum === 'off' || settings.track_counts === 'off';
  const off = tables.filter((table) => !table.autovacuum);
  return [
    ...(everywhere
      ? [
          advise('critical', 'autovacuum', {
            message: 'autovacuum is off',
            why: 'queue tables are all updates and deletes: they grow without end, up to the forced stop',
            mend: 'ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();',
          }),
        ]
      : []),
    ...off.map(({ schema, table }) =>
      advise('warn', 'autovacuum', {
        message: `autovacuum is off for ${schema}.${table}`,
        why: 'its dead rows are never removed',
        mend: `ALTER TABLE ${quoteName(schema)}.${quoteName(table)} RESET (autovacuum_enabled);`,
      }),
    ),
  ];
}

/** Postgres stops taking writes at about two thousand million. */
const OLD_TRANSACTIONS = 1_000_000_000;

function wraparound({ transactionAge, database }: PostgresFacts): Advised[] {
  if (transactionAge < OLD_TRANSACTIONS) return [];
  return [
    advise('critical', 'wraparound', {
      message: `the oldest transaction of ${database} is ${countText(transactionAge)} old`,
      why: 'at two thousand million Postgres takes no more writes',
      mend: 'VACUUM (FREEZE);',
    }),
  ];
}

const LONG_UNMAINTAINED_S = 24 * 3_600;

function bossMaintenance({ boss }: PostgresFacts): Advised[] {
  return boss
    .filter(({ maintained_s }) => (maintained_s ?? 0) > LONG_UNMAINTAINED_S)
    .map(({ schema, maintained_s }) =>
      advise('warn', 'maintenance', {
        message: `pg-boss has not looked after ${schema} for ${age(maintained_s ?? 0)}`,
        why: 'jobs that expired are not retried, and finished ones are not removed',
        mend: 'start one instance with new PgBoss({ supervise: true })   (the default)',
      }),
    );
}
