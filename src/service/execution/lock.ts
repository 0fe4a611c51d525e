import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';

/** A lock that is held. */
export interface Lock {
  name: string;
  /** Only who has it may release or renew it. */
  token: string;
  /**
   * Higher than that of every holder before. A holder may be paused for longer than the lock lives, and go on
   * as if it had it: what it changes has to be guarded by this number (`FencedStore`), not by the lock.
   */
  fence: number;
  /** When it lapses unless it is renewed, in milliseconds since 1970 by our clock. */
  expiresAt: number;
}

export interface LockOptions {
  /** `{prefix}:{env}:lock:` or the like, before every name. */
  prefix: string;
  /** Who we are, for operators (`cache-ops lock ls`). */
  owner: string;
}

/**
 * Takes the lock and the next fence in one step. The counter of fences outlives the lock: after a restart
 * without it, fences would begin anew below those that stores have seen.
 */
const TAKE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local fence = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('SET', KEYS[1], cjson.encode({token = ARGV[1], owner = ARGV[2], fence = fence, since = ARGV[5]}), 'PX', ARGV[3])
return fence`;

/** Acts only if the token is ours: the lock may have lapsed, and belong to another. */
const IF_OURS = (act: string) => `
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local ok, lock = pcall(cjson.decode, held)
if not ok or type(lock) ~= 'table' or lock.token ~= ARGV[1] then return 0 end
${act}`;
const RELEASE = IF_OURS("return redis.call('DEL', KEYS[1])");
const RENEW = IF_OURS("return redis.call('PEXPIRE', KEYS[1], ARGV[2])");

/** Fences are remembered this long after the last lock of a name, in milliseconds. */
const FENCE_TTL_MS = 30 * 24 * 3_600_000;

/**
 * Locks on one Redis, for work that should be done by one at a time. They lapse by themselves when their
 * holder dies. Every method rejects while Redis is away: without it nobody can know who has a lock.
 */
export class Locks {
  readonly #client: Redis;
  readonly #options: LockOptions;

  constructor(client: Redis, options: LockOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Takes a lock for `ttlMs`; undefined when somebody has it. Does not wait. */
  async take(name: string, ttlMs: number): Promise<Lock | undefined> {
    const token = randomUUID();
    const began = Date.now();
    const fence = await this.#client.eval(
      TAKE,
      2,
      this.#key(name),
      this.#fenceKey(name),
      token,
      this.#options.owner,
      ttlMs,
      FENCE_TTL_MS,
      new Date(began).toISOString(),
    );
    if (fence === null) return undefined;
    return { name, token, fence: Number(fence), expiresAt: began + ttlMs };
  }

  /** False: it had lapsed, and may be another's now. */
  async release({ name, token }: Lock): Promise<boolean> {
    return (await this.#client.eval(RELEASE, 1, this.#key(name), token)) === 1;
  }

  /** Sets the time it has left; false when it had lapsed. */
  async renew(lock: Lock, ttlMs: number): Promise<boolean> {
    const began = Date.now();
    const ours = await this.#client.eval(RENEW, 1, this.#key(lock.name), lock.token, ttlMs);
    if (ours === 1) lock.expiresAt = began + ttlMs;
    return ours === 1;
  }

  // One hash tag: in a cluster the lock and its fence lie together.
  #key(name: string): string {
    return `${this.#options.prefix}{${name}}`;
  }

  #fenceKey(name: string): string {
    return `${this.#key(name)}:fence`;
  }
}

/** A write with an older fence than the last one: its lock has lapsed, and another has been at work since. */
export class StaleFenceError extends Error {
  override readonly name = 'StaleFenceError';
}

const GUARDED_SET = `
local last = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if tonumber(ARGV[1]) < last then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/** Values that late holders of a lock cannot overwrite: a write carries the fence of its lock. */
export class FencedStore {
  constructor(
    private readonly client: Redis,
    private readonly prefix: string,
  ) {}

  /** Stores JSON for `ttlMs`. Throws StaleFenceError when a later holder has written. */
  async set(key: string, value: unknown, { fence }: Lock, ttlMs: number): Promise<void> {
    const taken = await this.client.eval(
      ...([GUARDED_SET, 1, this.prefix + key, fence, JSON.stringify(value), ttlMs] as const),
    );
    if (taken !== 1) throw new StaleFenceError(`${key}: the lock has lapsed, another holds it`);
  }

  async get(key: string): Promise<unknown> {
    const text = await this.client.hget(this.prefix + key, 'value');
    return text === null ? undefined : JSON.parse(text);
  }
}
