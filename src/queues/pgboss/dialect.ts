import { quoteName } from '../../postgres/client.js';
import type { BossSchema } from './schemas.js';

/**
 * What a pg-boss schema has and what may be done to it. Reading goes by the columns that are there,
 * so a version that nobody has seen yet reads as far as it can; writing goes by the version.
 */
export interface Dialect {
  schema: string;
  version: number;
  /** Why nothing may be written; undefined when it may. */
  readOnlyBecause: string | undefined;
  /** A table with its schema, quoted. */
  table(name: 'job' | 'archive' | 'queue' | 'schedule' | 'job_dependency' | 'version'): string;
  /** Whether a column of a table is there; without a column: the table. */
  has(table: string, column?: string): boolean;
  /** The column of `job` by its present name, as this version calls it (`r.retrylimit`), or a constant for none. */
  job(column: string, alias: string, without?: string): string;
  /** The enum of job states. */
  stateType: string;
  /** The time by pg-boss's own clock: a function of the schema since 42 (12.33). */
  now: string;
}

/** Schema versions that may be written. Tried: 24 (10.4), 26 (11.1), 34 (12.23), 46 (12.38); what lies between goes by its columns. */
const WRITABLE: readonly { name: string; from: number; to: number }[] = [
  { name: 'pg-boss 10', from: 24, to: 24 },
  // 26 is the schema of pg-boss 11 and of 12.0 to 12.5, 27 that of 12.6, 46 that of 12.38.
  { name: 'pg-boss 11 or 12', from: 26, to: 46 },
];
const PGBOSS_9 = 20;
const OWN_CLOCK = 42;

export function dialectOf(
  { schema, version }: BossSchema,
  tables: ReadonlyMap<string, ReadonlySet<string>>,
): Dialect {
  const own = quoteName(schema);
  const columns = tables.get('job') ?? new Set();
  const has = (table: string, column?: string) => {
    const found = tables.get(table);
    return found !== undefined && (column === undefined || found.has(column));
  };
  return {
    schema,
    version,
    readOnlyBecause: reason(schema, version),
    table: (name) => `${own}.${name}`,
    has,
    job(column, alias, without = 'NULL') {
      // Up to pg-boss 9 columns had no underscores.
      const name = [column, column.replaceAll('_', '')].find((each) => columns.has(each));
      return name ? `${alias}.${name}` : without;
    },
    stateType: `${own}.job_state`,
    now: version >= OWN_CLOCK && version <= 46 ? `${own}.job_now()` : 'now()',
  };
}

function reason(schema: string, version: number): string | undefined {
  if (WRITABLE.some(({ from, to }) => version >= from && version <= to)) return undefined;
  if (version === PGBOSS_9)
    return `schema ${schema} is at version ${version} (pg-boss 9): cache-ops reads it and changes nothing in it`;
  return `schema ${schema} is at version ${version}, which cache-ops does not know (it knows 24 and 26 to 46): it is read only`;
}
