import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { RedisLink } from '../connection/link.js';
import { MemoryCache, type MemoryCacheOptions } from './memory.js';
import { type Cache, Counters, DEFAULT_TTL_SECONDS, type Json } from './types.js';

export interface TwoLevelOptions {
  /** The shared cache behind. */
  shared: Cache;
  link: RedisLink;
  /** Channel by which instances tell one another what has changed. */
  channel: string;
  /** Longest that an entry is served from memory, in seconds (default 30). */
  nearTtlSeconds?: number;
  memory?: MemoryCacheOptions;
}

/** What an instance says: a key or a pattern has changed, and by whom. */
interface Change {
  from: string;
  key?: string;
  pattern?: string;
}

/**
 * Memory before the shared cache. A change is told to all instances over Redis, so memory is at most one
 * message behind; while an instance does not hear (its subscription is down), it serves nothing from memory.
 * What is read from memory counts as a hit here, and not in the shared cache.
 */
export class TwoLevelCache implements Cache {
  readonly #shared: Cache;
  readonly #near: MemoryCache;
  readonly #nearTtl: number;
  readonly #link: RedisLink;
  readonly #channel: string;
  readonly #subscriber: Redis;
  readonly #id = randomUUID();
  readonly #counters = new Counters();
  #hears = false;
  /** Counts changes heard of: a read that began before one may bring back what is old, and is not kept. */
  #changes = 0;

  constructor(options: TwoLevelOptions) {
    this.#shared = options.shared;
    this.#near = new MemoryCache(options.memory);
    this.#nearTtl = options.nearTtlSeconds ?? 30;
    this.#link = options.link;
    this.#channel = options.channel;
    // A subscribed connection takes no other commands; it stays silent for longer than others may. It is
    // subscribed anew by us: nobody would hear of a failure of what the client does by itself.
    this.#subscriber = options.link.client.duplicate({ socketTimeout: 0, autoResubscribe: false });
    this.#subscriber.on('error', () => {});
    this.#subscriber.on('close', () => this.#deaf());
    this.#subscriber.on('ready', () => void this.#listen());
    this.#subscriber.on('message', (_, text: string) => this.#heard(text));
    this.#subscriber.connect().catch(() => {});
  }

  async get(key: string): Promise<Json | undefined> {
    const near = this.#usable() ? await this.#near.get(key) : undefined;
    if (near !== undefined) return this.#counters.read(near);
    const before = this.#changes;
    const value = await this.#shared.get(key);
    if (value !== undefined && before === this.#changes && this.#usable())
      await this.#near.set(key, value, this.#nearTtl);
    return this.#counters.read(value);
  }

  async set(key: string, value: Json, ttlSeconds = DEFAULT_TTL_SECONDS): Promise<void> {
    this.#forget(key);
    await this.#shared.set(key, value, ttlSeconds);
    this.#forget(key);
    this.#counters.sets += 1;
    await this.#tell({ key });
    if (this.#usable()) await this.#near.set(key, value, Math.min(ttlSeconds, this.#nearTtl));
  }

  async delete(key: string): Promise<boolean> {
    this.#forget(key);
    const found = await this.#shared.delete(key);
    this.#forget(key);
    await this.#tell({ key });
    return found;
  }

  has(key: string): Promise<boolean> {
    return this.#shared.has(key);
  }

  clear(): Promise<number> {
    return this.deleteMany('*');
  }

  async deleteMany(pattern: string): Promise<number> {
    this.#changes += 1;
    await this.#near.deleteMany(pattern);
    const deleted = await this.#shared.deleteMany(pattern);
    this.#changes += 1;
    await this.#near.deleteMany(pattern);
    await this.#tell({ pattern });
    return deleted;
  }

  stats() {
    const { errors } = this.#shared.stats();
    return { ...this.#counters.stats(), errors };
  }

  close(): void {
    this.#subscriber.disconnect();
    this.#near.close();
  }

  /** In memory mode the shared cache is memory itself, and other instances cannot be heard. */
  #usable(): boolean {
    return this.#hears && this.#link.mode === 'redis';
  }

  #forget(key: string): void {
    this.#changes += 1;
    void this.#near.delete(key);
  }

  /** Those who do not hear it do not serve from memory, or for 30 s at most. */
  async #tell(change: Omit<Change, 'from'>): Promise<void> {
    if (this.#link.mode !== 'redis') return;
    const text = JSON.stringify({ from: this.#id, ...change });
    await this.#link.client.publish(this.#channel, text).catch(() => {});
  }

  async #listen(): Promise<void> {
    await this.#subscriber.subscribe(this.#channel).then(
      () => {
        // What was changed before we listened is not known.
        void this.#near.clear();
        this.#hears = true;
      },
      () => this.#deaf(),
    );
  }

  #deaf(): void {
    this.#hears = false;
    this.#changes += 1;
    void this.#near.clear();
  }

  #heard(text: string): void {
    const { from, key, pattern } = JSON.parse(text) as Change;
    if (from === this.#id) return;
    this.#changes += 1;
    if (key !== undefined) void this.#near.delete(key);
    if (pattern !== undefined) void this.#near.deleteMany(pattern);
  }
}
