import type { Query } from '../postgres/client.js';

/** What is in `app_cache`. */
export interface TableFacts {
  total: number;
  expired: number;
  /** By the key's first segment. */
  modules: { module: string; count: number; expired: number }[];
}

export async function haveCacheTable(query: Query): Promise<boolean> {
  const [row] = await query<{ there: boolean }>(
    "SELECT to_regclass('app_cache') IS NOT NULL AS there",
  );
  return row?.there === true;
}

/** Reads only. */
export async function readCacheTable(query: Query): Promise<TableFacts> {
  const modules = await query<TableFacts['modules'][number]>(
    `SELECT split_part(key, ':', 1) AS module, count(*)::int AS count,
       count(*) FILTER (WHERE expires_at <= now())::int AS expired
     FROM app_cache GROUP BY 1 ORDER BY 2 DESC, 1`,
  );
  const sum = (field: 'count' | 'expired') => modules.reduce((all, one) => all + one[field], 0);
  return { total: sum('count'), expired: sum('expired'), modules };
}

/** Removes up to `limit` expired rows; others that clean take others. Returns how many. */
export async function cleanSome(query: Query, limit: number): Promise<number> {
  const rows = await query(
    `DELETE FROM app_cache WHERE id IN (
       SELECT id FROM app_cache WHERE expires_at <= now() LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING 1 AS one`,
    [limit],
  );
  return rows.length;
}
