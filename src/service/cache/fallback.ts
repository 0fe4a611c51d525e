import type { Redis } from 'ioredis';
import { type Outlet, RedisAwayError, type RedisLink } from '../connection/link.js';
import { Changes } from './changes.js';
import { MemoryCache, type MemoryCacheOptions } from './memory.js';
import { RedisCache } from './redis.js';
import { type Cache, Counters, type Json } from './types.js';

export interface FallbackCacheOptions {
  link: RedisLink;
  prefix: string;
  memory?: MemoryCacheOptions;
}

/** Attempts on Redis for one operation, if Redis returns every time in the middle of one. */
const MAX_ATTEMPTS = 3;

/**
 * A cache on Redis that goes on in memory while Redis is away: no method rejects for that reason.
 * The operation that meets the failure is itself served from memory, after one deadline at most.
 *
 * In memory mode a read sees only what this instance has written since the outage began; the rest
 * is a miss, as after an eviction. When Redis returns it first gets every change made meanwhile
 * (entries with their remaining TTL, deletions, patterns), so what a caller was told is stored stays
 * readable, and what was deleted does not come back. Then memory is emptied.
 */
export class FallbackCache implements Cache, Outlet {
  readonly #link: RedisLink;
  readonly #redis: RedisCache;
  readonly #memory: MemoryCache;
  readonly #changes = new Changes();
  readonly #counters = new Counters();

  constructor(options: FallbackCacheOptions) {
    this.#link = options.link;
    this.#redis = new RedisCache(options.link.client, { prefix: options.prefix });
    this.#memory = new MemoryCache(options.memory);
    options.link.attach(this);
  }

  async get(key: string): Promise<Json | undefined> {
    const value = await this.#either(
      () => this.#redis.get(key),
      () => this.#memory.get(key),
    );
    return this.#counters.read(value);
  }

  async set(key: string, value: Json, ttlSeconds?: number): Promise<void> {
    await this.#either(
      () => this.#redis.set(key, value, ttlSeconds),
      (tried) => {
        this.#changes.add(key, tried);
        return this.#memory.set(key, value, ttlSeconds);
      },
    );
    this.#counters.sets += 1;
  }

  delete(key: string): Promise<boolean> {
    return this.#either(
      () => this.#redis.delete(key),
      () => {
        this.#changes.add(key, true);
        return this.#memory.delete(key);
      },
    );
  }

  has(key: string): Promise<boolean> {
    return this.#either(
      () => this.#redis.has(key),
      () => this.#memory.has(key),
    );
  }

  clear(): Promise<number> {
    return this.deleteMany('*');
  }

  deleteMany(pattern: string): Promise<number> {
    return this.#either(
      () => this.#redis.deleteMany(pattern),
      () => {
        this.#changes.addPattern(pattern);
        return this.#memory.deleteMany(pattern);
      },
    );
  }

  /** Of this instance, over both modes. */
  stats() {
    const unreadable = this.#redis.stats().errors;
    const stats = this.#counters.stats();
    return { ...stats, errors: stats.errors + unreadable };
  }

  replay(client: Redis): Promise<void> {
    return this.#changes.replay(client, this.#memory, this.#redis);
  }

  ready(): boolean {
    return this.#changes.small;
  }

  async handOver(client: Redis): Promise<void> {
    await this.#changes.replayRest(client, this.#memory, this.#redis);
    // Not if Redis has gone again meanwhile: then memory is in use.
    if (this.#link.mode === 'redis' && this.#changes.empty) await this.#memory.clear();
  }

  close(): void {
    this.#memory.close();
  }

  /**
   * The mode is looked at and memory is changed in one turn of the event loop, so nothing is written
   * to memory after the link has handed it over. `tried` says that Redis may have done it too.
   */
  async #either<T>(
    onRedis: () => Promise<T>,
    onMemory: (tried: boolean) => Promise<T>,
  ): Promise<T> {
    let tried = false;
    for (let attempt = 0; this.#link.mode === 'redis' && attempt < MAX_ATTEMPTS; attempt += 1) {
      try {
        return await this.#link.run(onRedis);
      } catch (error) {
        if (!(error instanceof RedisAwayError)) throw error;
        this.#counters.errors += 1;
        tried = true;
      }
    }
    if (this.#link.mode === 'redis') this.#link.fail(new RedisAwayError('failed again and again'));
    return onMemory(tried);
  }
}
