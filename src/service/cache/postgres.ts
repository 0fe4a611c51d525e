import type pg from 'pg';
import { inTransaction, jsonbText } from '../connection/postgres.js';
import { globMatcher, literalPrefix } from './glob.js';
import { type Cache, Counters, DEFAULT_TTL_SECONDS, type Json } from './types.js';

export interface PostgresCacheOptions {
  pool: pg.Pool;
  /** How often expired rows are removed, in milliseconds (default a minute; 0: never). */
  cleanMs?: number;
  onError?: (error: unknown) => void;
}

/** Rows removed in one statement: few enough not to hold others up. */
const BATCH = 1_000;

/** What is in the table, of all instances. */
export interface TableStats {
  total: number;
  /** Rows that nobody can read any more. */
  expired: number;
  /** By the key's first segment, the most first. */
  modules: { module: string; count: number }[];
}

/**
 * A cache in the table `app_cache`. While Postgres is away a read is a miss and a write is lost, as in a
 * cache that is full; a deletion rejects, since the old value would come back.
 */
export class PostgresCache implements Cache {
  readonly #pool: pg.Pool;
  readonly #onError: (error: unknown) => void;
  readonly #counters = new Counters();
  readonly #cleaner: NodeJS.Timeout | undefined;
  #ready: Promise<void> | undefined;

  constructor({ pool, cleanMs = 60_000, onError = () => {} }: PostgresCacheOptions) {
    this.#pool = pool;
    this.#onError = onError;
    if (cleanMs > 0)
      this.#cleaner = setInterval(() => void this.clean().catch(onError), cleanMs).unref();
  }

  async get(key: string): Promise<Json | undefined> {
    const row = await this.#spared(() => this.#read(key));
    return this.#counters.read(row?.value);
  }

  async set(key: string, value: Json, ttlSeconds = DEFAULT_TTL_SECONDS): Promise<void> {
    await this.#spared(() =>
      this.#query(
        `INSERT INTO app_cache (key, value, expires_at) VALUES ($1, $2, now() + $3 * interval '1 s')
         ON CONFLICT (key) DO UPDATE SET value = $2, expires_at = excluded.expires_at, created_at = now()`,
        [key, jsonbText(value), ttlSeconds],
      ),
    );
    this.#counters.sets += 1;
  }

  async delete(key: string): Promise<boolean> {
    const { rows } = await this.#query(
      'DELETE FROM app_cache WHERE key = $1 RETURNING expires_at > now() AS live',
      [key],
    );
    return rows[0]?.live === true;
  }

  async has(key: string): Promise<boolean> {
    return (await this.#spared(() => this.#read(key))) !== undefined;
  }

  clear(): Promise<number> {
    return this.deleteMany('*');
  }

  /** The glob is Redis's, so it is matched here; Postgres finds the keys with its literal beginning. */
  async deleteMany(pattern: string): Promise<number> {
    const matches = globMatcher(pattern);
    const { rows } = await this.#query('SELECT key FROM app_cache WHERE starts_with(key, $1)', [
      literalPrefix(pattern),
    ]);
    const keys = rows.map(({ key }) => key as string).filter(matches);
    let deleted = 0;
    for (let at = 0; at < keys.length; at += BATCH) {
      const { rows: gone } = await this.#query(
        'DELETE FROM app_cache WHERE key = ANY($1) RETURNING expires_at > now() AS live',
        [keys.slice(at, at + BATCH)],
      );
      deleted += gone.filter(({ live }) => live).length;
    }
    return deleted;
  }

  stats() {
    return this.#counters.stats();
  }

  async table(): Promise<TableStats> {
    const { rows } = await this.#query(
      `SELECT split_part(key, ':', 1) AS module, count(*)::int AS count,
         count(*) FILTER (WHERE expires_at <= now())::int AS expired
       FROM app_cache GROUP BY 1 ORDER BY 2 DESC, 1`,
    );
    const sum = (field: string) => rows.reduce((all, row) => all + row[field], 0);
    const modules = rows.map(({ module, count }) => ({ module, count }));
    return { total: sum('count'), expired: sum('expired'), modules };
  }

  /** Removes expired rows, 1,000 at a time; instances that do so together share them out. Returns how many. */
  async clean(): Promise<number> {
    let removed = 0;
    for (;;) {
      const { rowCount } = await this.#query(
        `DELETE FROM app_cache WHERE id IN (
           SELECT id FROM app_cache WHERE expires_at <= now() LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)`,
      );
      removed += rowCount ?? 0;
      if ((rowCount ?? 0) < BATCH) return removed;
    }
  }

  /** Ends the cleaning; the pool is its owner's. */
  close(): void {
    clearInterval(this.#cleaner);
  }

  async #read(key: string): Promise<{ value: Json } | undefined> {
    const { rows } = await this.#query(
      'SELECT value, expires_at <= now() AS expired FROM app_cache WHERE key = $1',
      [key],
    );
    const [row] = rows;
    if (!row?.expired) return row;
    // Unless it was written anew meanwhile.
    await this.#query('DELETE FROM app_cache WHERE key = $1 AND expires_at <= now()', [key]);
    return undefined;
  }

  async #spared<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#counters.errors += 1;
      this.#onError(error);
      return undefined;
    }
  }

  async #query(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    this.#ready ??= createTable(this.#pool).catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    await this.#ready;
    return this.#pool.query(text, values);
  }
}

function createTable(pool: pg.Pool): Promise<void> {
  return inTransaction(pool, async (client) => {
    // Of several instances that start at once one makes it.
    await client.query('SELECT pg_advisory_xact_lock(7041989)');
    await client.query(`
      CREATE TABLE IF NOT EXISTS app_cache (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key varchar(500) NOT NULL UNIQUE,
        value jsonb NOT NULL,
        expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now());
      CREATE INDEX IF NOT EXISTS app_cache_expires_at ON app_cache (expires_at)`);
  });
}
