import type { Redis } from 'ioredis';
import { withDeadline } from '../connection/deadline.js';
import { type Outlet, RedisAwayError, type RedisLink } from '../connection/link.js';
import { COMMAND_TIMEOUT_MS } from './redis.js';

/** Adds, and gives a counter that has no end one: a counter for ever would be a leak. */
const ADD = `
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return value`;

/** Counters held while Redis is away at most; beyond that the oldest is forgotten. */
const MOST = 10_000;

/**
 * Counters with a time to live, shared by all instances. While Redis is away each instance counts for
 * itself, and adds what it has counted when Redis is back: no step is lost. One that was under way when
 * Redis went may be counted twice.
 */
export class SharedCounters implements Outlet {
  readonly #link: RedisLink | undefined;
  readonly #prefix: string;
  /** Steps that Redis has not heard of, and when the counter ends (ms on the clock). */
  readonly #steps = new Map<string, { by: number; endsAt: number }>();

  constructor(link: RedisLink | undefined, prefix: string) {
    this.#link = link;
    this.#prefix = prefix;
    link?.attach(this);
  }

  /** Adds `by` (default 1); returns the new value. A new counter ends after `ttlSeconds` (default an hour). */
  async add(key: string, by = 1, ttlSeconds = 3_600): Promise<number> {
    const link = this.#link;
    if (link?.mode === 'redis') {
      try {
        return await link.run(() => this.#send(link.client, key, by, ttlSeconds * 1_000));
      } catch (error) {
        if (!(error instanceof RedisAwayError)) throw error;
      }
    }
    const endsAt = performance.now() + ttlSeconds * 1_000;
    const live = this.#held(key) ?? { by: 0, endsAt };
    live.by += by;
    this.#steps.set(key, live);
    for (const oldest of this.#steps.keys()) {
      if (this.#steps.size <= MOST) break;
      this.#steps.delete(oldest);
    }
    return live.by;
  }

  /** The value, 0 for a counter that is not there; while Redis is away, what this instance has counted since. */
  async get(key: string): Promise<number> {
    const link = this.#link;
    if (link?.mode === 'redis') {
      try {
        const read = () => withDeadline(link.client.get(this.#prefix + key), COMMAND_TIMEOUT_MS);
        return Number((await link.run(read)) ?? 0);
      } catch (error) {
        if (!(error instanceof RedisAwayError)) throw error;
      }
    }
    return this.#held(key)?.by ?? 0;
  }

  #held(key: string): { by: number; endsAt: number } | undefined {
    const held = this.#steps.get(key);
    return held && held.endsAt > performance.now() ? held : undefined;
  }

  async replay(client: Redis): Promise<void> {
    for (const [key, { by, endsAt }] of [...this.#steps]) {
      const left = Math.ceil(endsAt - performance.now());
      this.#steps.delete(key);
      if (left <= 0) continue;
      try {
        await this.#send(client, key, by, left);
      } catch (error) {
        const since = this.#steps.get(key)?.by ?? 0;
        this.#steps.set(key, { by: by + since, endsAt });
        throw error;
      }
    }
  }

  ready(): boolean {
    return this.#steps.size <= 100;
  }

  handOver(client: Redis): Promise<void> {
    return this.replay(client);
  }

  async #send(client: Redis, key: string, by: number, ttlMs: number): Promise<number> {
    const answer = client.eval(ADD, 1, this.#prefix + key, by, ttlMs);
    return Number(await withDeadline(answer, COMMAND_TIMEOUT_MS));
  }
}
