import { haveCacheTable } from '../../caches/table.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { type Query, readPostgres } from '../../postgres/client.js';
import { explainPostgres } from '../../postgres/explain.js';
import { type PostgresTarget, postgresTargets } from '../../postgres/target.js';

/** Reads from every Postgres that has the cache table; what `name` names only. */
export async function fromCacheTables<T>(
  context: Context,
  name: string | undefined,
  work: (query: Query, target: PostgresTarget) => Promise<T>,
): Promise<{ target: PostgresTarget; value: T }[]> {
  const all = postgresTargets(await context.config());
  const targets = all.filter((one) => name === undefined || one.name === name);
  if (name !== undefined && targets.length === 0)
    throw new CacheOpsError('not_found', `no Postgres is named "${name}"`);
  const { timeout } = context.settings;
  const found: { target: PostgresTarget; value: T }[] = [];
  for (const target of targets) {
    const limits = { timeout, signal: context.signal };
    const value = await readPostgres(target, limits, async (query) =>
      (await haveCacheTable(query)) ? { value: await work(query, target) } : undefined,
    ).catch((error: unknown) => {
      context.signal.throwIfAborted();
      if (error instanceof CacheOpsError) throw error;
      throw new CacheOpsError('connect', `${target.name}: ${explainPostgres(error, timeout)}`);
    });
    if (value) found.push({ target, ...value });
  }
  return found;
}

/** The one Postgres that is to be changed. */
export async function oneCacheTable<T>(
  context: Context,
  name: string | undefined,
  work: (query: Query, target: PostgresTarget) => Promise<T>,
): Promise<{ target: PostgresTarget; value: T }> {
  const [first, ...others] = await fromCacheTables(context, name, work);
  if (first && others.length === 0) return first;
  throw new CacheOpsError(
    first ? 'usage' : 'not_found',
    first ? 'several Postgres have a cache table' : 'no Postgres has the table app_cache',
    first ? 'say which: --target' : 'applications with CACHE_TYPE=postgres make it',
  );
}
