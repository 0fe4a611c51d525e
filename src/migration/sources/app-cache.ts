import { CacheOpsError, messageOf } from '../../errors.js';
import { type Limits, openPostgres, quoteName } from '../../postgres/client.js';
import type { PostgresTarget } from '../../postgres/target.js';
import type { Read } from '../entry.js';
import { BEGINNINGS, saidByKey } from './keys.js';
import type { Source } from './source.js';

export interface AppCacheOptions {
  target: PostgresTarget;
  /** `app_cache`, or with its schema. */
  table: string;
  kind: 'tasks' | 'sessions';
  /** What may stand before `task:import:` in its keys. */
  prefix: string;
  largest: number;
  limits: Omit<Limits, 'signal'>;
}

interface Row {
  key: string;
  length: number;
  value: string | null;
  ttl_ms: number | null;
}

const PAGE = 500;

/** The Postgres table `app_cache` of the estate; what has expired is left out, as the application does. */
export function appCacheSource({ target, table, kind, prefix, ...rest }: AppCacheOptions): Source {
  const { largest, limits } = rest;
  const from = table.split('.').map(quoteName).join('.');
  return {
    description: `Postgres ${target.name}, ${table}`,
    unit: 'row',
    again: true,
    async *read(signal) {
      const session = openPostgres(target, { ...limits, signal });
      let place = 0;
      try {
        const rows = session.cursor<Row>(
          `SELECT key, octet_length(value::text) AS length,
             CASE WHEN octet_length(value::text) <= $3 THEN value::text END AS value,
             (extract(epoch FROM expires_at - now()) * 1000)::float8 AS ttl_ms
           FROM ${from}
           WHERE (starts_with(key, $1) OR starts_with(key, $2))
             AND (expires_at IS NULL OR expires_at > now())
           ORDER BY id`,
          [prefix + BEGINNINGS[kind], BEGINNINGS[kind], largest],
          PAGE,
        );
        for await (const page of rows) {
          yield page.map(({ key, length, value, ttl_ms }): Read => {
            place += 1;
            const name = key.startsWith(prefix) ? key.slice(prefix.length) : key;
            const said = saidByKey(name, kind, place);
            if ('problem' in said) return said;
            if (value === null)
              return {
                place,
                problem: 'too_large',
                reason: `${length} bytes; ${largest} are the most`,
              };
            const text = Buffer.from(value);
            return { ...said, place, text, ...(ttl_ms !== null && { ttl_ms }) };
          });
        }
      } catch (error) {
        signal.throwIfAborted();
        throw new CacheOpsError('connect', `${target.name}: ${messageOf(error)}`);
      } finally {
        await session.close();
      }
    },
  };
}
