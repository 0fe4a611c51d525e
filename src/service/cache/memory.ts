import { globMatcher } from './glob.js';
import { type Cache, Counters, DEFAULT_TTL_SECONDS, type Json } from './types.js';

export interface MemoryCacheOptions {
  /** Most entries held; the least recently used goes first. */
  maxEntries?: number;
  /** Most characters of JSON held: 10,000 entries of 50 KB each would not fit a small container. */
  maxChars?: number;
  /** How often expired entries that nobody reads are dropped, in milliseconds. */
  sweepMs?: number;
  /** The clock, in milliseconds. */
  now?: () => number;
}

interface Entry {
  json: string;
  expiresAt: number;
}

/**
 * A cache in this process. Values are held as JSON text, so a caller who changes an object
 * afterwards changes no entry, and its size is known. A Map keeps insertion order, and a read puts
 * its entry at the end, so the first one is always the least recently used.
 */
export class MemoryCache implements Cache {
  readonly #entries = new Map<string, Entry>();
  readonly #counters = new Counters();
  readonly #maxEntries: number;
  readonly #maxChars: number;
  readonly #now: () => number;
  readonly #sweeper: NodeJS.Timeout;
  #chars = 0;

  constructor(options: MemoryCacheOptions = {}) {
    this.#maxEntries = options.maxEntries ?? 10_000;
    this.#maxChars = options.maxChars ?? 64 * 1024 * 1024;
    this.#now = options.now ?? (() => performance.now());
    this.#sweeper = setInterval(() => this.sweep(), options.sweepMs ?? 30_000).unref();
  }

  /** Entries held, expired ones that were not swept yet included. */
  get size(): number {
    return this.#entries.size;
  }

  async get(key: string): Promise<Json | undefined> {
    const entry = this.#live(key);
    if (entry) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return this.#counters.read(entry && (JSON.parse(entry.json) as Json));
  }

  async set(key: string, value: Json, ttlSeconds = DEFAULT_TTL_SECONDS): Promise<void> {
    const json = JSON.stringify(value);
    this.#remove(key);
    this.#entries.set(key, { json, expiresAt: this.#now() + ttlSeconds * 1_000 });
    this.#chars += json.length;
    this.#counters.sets += 1;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries && this.#chars <= this.#maxChars) break;
      this.#remove(oldest);
    }
  }

  async delete(key: string): Promise<boolean> {
    const found = this.#live(key) !== undefined;
    this.#remove(key);
    return found;
  }

  async has(key: string): Promise<boolean> {
    return this.#live(key) !== undefined;
  }

  async clear(): Promise<number> {
    return this.deleteMany('*');
  }

  async deleteMany(pattern: string): Promise<number> {
    const matches = globMatcher(pattern);
    const keys = [...this.#entries.keys()].filter((key) => matches(key) && this.#live(key));
    for (const key of keys) this.#remove(key);
    return keys.length;
  }

  stats() {
    return this.#counters.stats();
  }

  /** The JSON of a live entry and its remaining milliseconds; changes neither order nor counters. */
  peek(key: string): { json: string; leftMs: number } | undefined {
    const entry = this.#live(key);
    return entry && { json: entry.json, leftMs: Math.ceil(entry.expiresAt - this.#now()) };
  }

  /** The keys of all live entries, sorted: an order that reads and writes do not change. */
  keys(): string[] {
    return [...this.#entries.keys()].filter((key) => this.#live(key)).sort();
  }

  /** Drops what has expired. */
  sweep(): void {
    for (const key of this.#entries.keys()) this.#live(key);
  }

  /** Ends the sweeping; the entries go with the object. */
  close(): void {
    clearInterval(this.#sweeper);
    this.#entries.clear();
    this.#chars = 0;
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry && entry.expiresAt > this.#now()) return entry;
    if (entry) this.#remove(key);
    return undefined;
  }

  #remove(key: string): void {
    this.#chars -= this.#entries.get(key)?.json.length ?? 0;
    this.#entries.delete(key);
  }
}
