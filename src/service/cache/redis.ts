import type { Redis } from 'ioredis';
import { withDeadline } from '../connection/deadline.js';
import { escapeGlob } from './glob.js';
import { type Cache, Counters, DEFAULT_TTL_SECONDS, type Json } from './types.js';

export interface RedisCacheOptions {
  /** Stands before every key, separator included: `app:production:cache:`. */
  prefix: string;
  /** Longest wait for one command, in milliseconds. */
  timeoutMs?: number;
}

/** How long one command may take before Redis counts as hung, in milliseconds. */
export const COMMAND_TIMEOUT_MS = 300;

/** Keys asked for in one SCAN step: large enough to be quick, small enough not to block others. */
const SCAN_COUNT = 500;

/**
 * A cache on Redis: one string key an entry, holding JSON. Every method rejects when Redis is away
 * or does not answer in time; see `FallbackCache` for callers who must not notice.
 */
export class RedisCache implements Cache {
  readonly #client: Redis;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #counters = new Counters();

  constructor(client: Redis, options: RedisCacheOptions) {
    this.#client = client;
    this.#prefix = options.prefix;
    this.#timeoutMs = options.timeoutMs ?? COMMAND_TIMEOUT_MS;
  }

  async get(key: string): Promise<Json | undefined> {
    const json = await this.#within(this.#client.get(this.key(key)).catch(orForeign));
    return this.#counters.read(json === null ? undefined : this.#parse(json));
  }

  async set(key: string, value: Json, ttlSeconds = DEFAULT_TTL_SECONDS): Promise<void> {
    const ttlMs = Math.max(1, Math.round(ttlSeconds * 1_000));
    await this.#within(this.#client.set(this.key(key), JSON.stringify(value), 'PX', ttlMs));
    this.#counters.sets += 1;
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#within(this.#client.del(this.key(key)))) > 0;
  }

  async has(key: string): Promise<boolean> {
    return (await this.#within(this.#client.exists(this.key(key)))) > 0;
  }

  async clear(): Promise<number> {
    return this.deleteMany('*');
  }

  /** Walks with SCAN and frees with UNLINK, so no step blocks Redis for others. */
  async deleteMany(pattern: string): Promise<number> {
    const match = escapeGlob(this.#prefix) + pattern;
    let cursor = '0';
    let deleted = 0;
    do {
      const [next, keys] = await this.#within(
        this.#client.scan(cursor, 'MATCH', match, 'COUNT', SCAN_COUNT),
      );
      if (keys.length > 0) deleted += await this.#within(this.#client.unlink(...keys));
      cursor = next;
    } while (cursor !== '0');
    return deleted;
  }

  stats() {
    return this.#counters.stats();
  }

  /** The key as Redis has it. */
  key(key: string): string {
    return this.#prefix + key;
  }

  #within<T>(answer: Promise<T>): Promise<T> {
    return withDeadline(answer, this.#timeoutMs);
  }

  /** Somebody else may have written here; what we cannot read is a miss, not an outage. */
  #parse(json: string): Json | undefined {
    try {
      return JSON.parse(json) as Json;
    } catch {
      this.#counters.errors += 1;
      return undefined;
    }
  }
}

/** A key of another type says nothing about Redis as a whole: as for foreign text, it is a miss. */
function orForeign(error: unknown): string {
  if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return '';
  throw error;
}
