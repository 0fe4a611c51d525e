/** Any value that JSON can hold. `undefined` is not one: it means "not there". */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** Time to live of an entry that names none, in seconds. */
export const DEFAULT_TTL_SECONDS = 3_600;

/** Longest key, in characters: that of the estate's Postgres cache, so a key fits every store. */
export const MAX_KEY_LENGTH = 500;

/** Counted by one instance since it started. Only `get` counts as a request. */
export interface CacheStats {
  hits: number;
  misses: number;
  sets: number;
  /** Failures of the store, each of which the caller was spared. */
  errors: number;
  /** `hits + misses`. */
  total_requests: number;
  /** A fraction from 0 to 1, or null before the first request: no rate is known yet. */
  hit_rate: number | null;
}

/**
 * What business code sees of a cache. Every entry expires. A key is opaque; a pattern is a Redis
 * glob (`*`, `?`, `[a-c]`, `[^a]`, `\` before a literal) over whole keys.
 */
export interface Cache {
  /** The value, or undefined when there is none or it has expired. */
  get(key: string): Promise<Json | undefined>;
  /** Stores a copy of `value` for `ttlSeconds` (default one hour; fractions are allowed). */
  set(key: string, value: Json, ttlSeconds?: number): Promise<void>;
  /** True when there was an entry to delete. */
  delete(key: string): Promise<boolean>;
  has(key: string): Promise<boolean>;
  /** Deletes every entry of this cache, and nothing that belongs to another; returns how many. */
  clear(): Promise<number>;
  /** Deletes the entries whose key matches; returns how many. */
  deleteMany(pattern: string): Promise<number>;
  stats(): CacheStats;
}

/** The counters behind `stats()`. */
export class Counters {
  hits = 0;
  misses = 0;
  sets = 0;
  errors = 0;

  /** Counts one `get` and passes its answer on. */
  read<T>(value: T | undefined): T | undefined {
    if (value === undefined) this.misses += 1;
    else this.hits += 1;
    return value;
  }

  stats(): CacheStats {
    const { hits, misses, sets, errors } = this;
    const total = hits + misses;
    const rate = total === 0 ? null : Math.round((hits / total) * 10_000) / 10_000;
    return { hits, misses, sets, errors, total_requests: total, hit_rate: rate };
  }
}
