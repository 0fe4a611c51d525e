import { setTimeout as sleep } from 'node:timers/promises';
import { RedisAwayError, type RedisLink } from '../connection/link.js';
import { type Lock, Locks } from '../execution/lock.js';
import type { Cache, Json } from './types.js';

export interface GetOrCreateOptions {
  ttlSeconds?: number;
  /** Longest that others wait for the one who creates, in milliseconds (default 10 s). */
  waitMs?: number;
}

const POLL_MS = 20;

/**
 * The value of a key, made when it is missing. However many ask at once, it is made once: in this
 * instance they share one promise, and across instances one has a lock and the others look for its value.
 * When that one dies or takes longer than `waitMs`, the others make it themselves: late is better than
 * not at all. Without Redis each instance makes its own. A failure to make it is everybody's, and not kept.
 */
export class Creator {
  readonly #flights = new Map<string, Promise<Json>>();
  readonly #locks: Locks | undefined;

  constructor(
    private readonly cache: Cache,
    private readonly link?: RedisLink,
    { keyPrefix = '', owner = '' } = {},
  ) {
    this.#locks = link && new Locks(link.client, { prefix: `${keyPrefix}lock:create:`, owner });
  }

  async getOrCreate(
    key: string,
    create: () => Promise<Json>,
    options: GetOrCreateOptions = {},
  ): Promise<Json> {
    const found = await this.cache.get(key);
    if (found !== undefined) return found;
    const flight =
      this.#flights.get(key) ??
      this.#make(key, create, options).finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  async #make(
    key: string,
    create: () => Promise<Json>,
    { ttlSeconds, waitMs = 10_000 }: GetOrCreateOptions,
  ): Promise<Json> {
    const deadline = performance.now() + waitMs;
    let lock = await this.#take(key, waitMs);
    while (lock === 'taken' && performance.now() < deadline) {
      await sleep(POLL_MS);
      const found = await this.cache.get(key);
      if (found !== undefined) return found;
      lock = await this.#take(key, waitMs);
    }
    try {
      // Another may have made it between our look and our lock.
      const found = lock === 'none' ? undefined : await this.cache.get(key);
      if (found !== undefined) return found;
      const value = await create();
      await this.cache.set(key, value, ttlSeconds);
      return value;
    } finally {
      if (typeof lock === 'object') await this.#release(lock);
    }
  }

  async #take(key: string, ttlMs: number): Promise<Lock | 'taken' | 'none'> {
    const locks = this.#locks;
    if (!locks || !this.link) return 'none';
    try {
      return (await this.link.run(() => locks.take(key, ttlMs))) ?? 'taken';
    } catch (error) {
      if (error instanceof RedisAwayError) return 'none';
      throw error;
    }
  }

  /** What cannot be released lapses. */
  async #release(lock: Lock): Promise<void> {
    await this.#locks?.release(lock).catch(() => {});
  }
}
