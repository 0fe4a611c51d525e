import type { Redis } from 'ioredis';
import { withDeadline } from '../connection/deadline.js';
import type { MemoryCache } from './memory.js';
import type { RedisCache } from './redis.js';

/** One changed key. A new object for each change, so that one made during a replay is noticed. */
interface Change {
  /** What Redis holds is certainly older: it was deleted, or a write to Redis has an unknown end. */
  force: boolean;
}

/** Changed keys remembered; beyond that the oldest is forgotten, as a full cache forgets. */
const MAX_CHANGES = 50_000;
const BATCH = 100;
const BATCH_TIMEOUT_MS = 2_000;

/**
 * Takes our entry if Redis has none, or one that expires sooner. Two instances may both have
 * written a key, or one went on with Redis while the other could not reach it. Values carry no
 * time of writing, but with the usual equal TTLs the later expiry is the later write, and the
 * result does not depend on who returns first.
 */
const MERGE = `
if ARGV[3] == '1' or redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1`;

/**
 * What a cache changed while Redis was away, in the order in which Redis must hear of it: patterns
 * first, because whatever matched one and still exists was written after it.
 */
export class Changes {
  readonly #keys = new Map<string, Change>();
  readonly #patterns = new Set<string>();

  get empty(): boolean {
    return this.#keys.size === 0 && this.#patterns.size === 0;
  }

  /** Whether the rest fits into one batch. A pattern takes a walk of many steps, so there is none. */
  get small(): boolean {
    return this.#keys.size <= BATCH && this.#patterns.size === 0;
  }

  /** `force` stays with a key until Redis has heard of it. */
  add(key: string, force: boolean): void {
    const before = this.#keys.get(key);
    this.#keys.delete(key);
    this.#keys.set(key, { force: force || before?.force === true });
    for (const oldest of this.#keys.keys()) {
      if (this.#keys.size <= MAX_CHANGES) break;
      this.#keys.delete(oldest);
    }
  }

  addPattern(pattern: string): void {
    this.#patterns.add(pattern);
  }

  /** Brings Redis up to date with `memory`; what fails stays pending. */
  async replay(client: Redis, memory: MemoryCache, redis: RedisCache): Promise<void> {
    for (const pattern of [...this.#patterns]) {
      this.#patterns.delete(pattern);
      try {
        await redis.deleteMany(pattern);
      } catch (error) {
        this.#patterns.add(pattern);
        throw error;
      }
    }
    const keys = [...this.#keys];
    for (let at = 0; at < keys.length; at += BATCH) {
      await this.#send(keys.slice(at, at + BATCH), client, memory, redis);
    }
  }

  /** Sends the changed keys in the same turn; resolves when Redis has taken them. */
  async replayRest(client: Redis, memory: MemoryCache, redis: RedisCache): Promise<void> {
    if (this.#keys.size > 0) await this.#send([...this.#keys], client, memory, redis);
  }

  async #send(
    batch: readonly [string, Change][],
    client: Redis,
    memory: MemoryCache,
    redis: RedisCache,
  ): Promise<void> {
    const pipeline = client.pipeline();
    for (const [key, { force }] of batch) {
      const entry = memory.peek(key);
      const name = redis.key(key);
      if (entry) pipeline.eval(MERGE, 1, name, entry.json, entry.leftMs, force ? '1' : '0');
      // Written and expired or evicted since: only a certainly older value has to go.
      else if (force) pipeline.del(name);
    }
    const replies = (await withDeadline(pipeline.exec(), BATCH_TIMEOUT_MS)) ?? [];
    const failed = replies.find(([error]) => error !== null);
    if (failed?.[0]) throw failed[0];
    for (const [key, change] of batch) {
      if (this.#keys.get(key) === change) this.#keys.delete(key);
    }
  }
}
