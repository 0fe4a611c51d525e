import type { Redis } from 'ioredis';
import { withDeadline } from '../connection/deadline.js';
import { type Outlet, RedisAwayError, type RedisLink } from '../connection/link.js';
import { COMMAND_TIMEOUT_MS } from './redis.js';
import { DEFAULT_TTL_SECONDS, type Json } from './types.js';

/** A hash in memory: JSON by field, null for a field that was deleted; when it ends (ms on the clock). */
interface Held {
  fields: Map<string, string | null>;
  endsAt: number;
}

const MOST = 10_000;

/**
 * Hashes of JSON values, each with a time to live that every write renews. While Redis is away an
 * instance sees what it has written itself since; when Redis is back it gets these fields.
 */
export class SharedHashes implements Outlet {
  readonly #link: RedisLink | undefined;
  readonly #prefix: string;
  readonly #held = new Map<string, Held>();

  constructor(link: RedisLink | undefined, prefix: string) {
    this.#link = link;
    this.#prefix = prefix;
    link?.attach(this);
  }

  async set(
    key: string,
    field: string,
    value: Json,
    ttlSeconds = DEFAULT_TTL_SECONDS,
  ): Promise<void> {
    const json = JSON.stringify(value);
    await this.#either(
      (client) => this.#send(client, key, new Map([[field, json]]), ttlSeconds * 1_000),
      () => this.#note(key, field, json, ttlSeconds),
    );
  }

  async get(key: string, field: string): Promise<Json | undefined> {
    const json = await this.#either(
      (client) => client.hget(this.#prefix + key, field),
      () => this.#live(key)?.fields.get(field) ?? null,
    );
    return json === null ? undefined : (JSON.parse(json) as Json);
  }

  async all(key: string): Promise<Record<string, Json>> {
    const texts = await this.#either(
      (client) => client.hgetall(this.#prefix + key),
      () => Object.fromEntries(this.#live(key)?.fields ?? []),
    );
    return Object.fromEntries(
      Object.entries(texts).flatMap(([field, json]) =>
        json === null ? [] : [[field, JSON.parse(json) as Json]],
      ),
    );
  }

  async delete(key: string, field: string): Promise<void> {
    await this.#either(
      (client) => client.hdel(this.#prefix + key, field).then(() => {}),
      () => this.#note(key, field, null, DEFAULT_TTL_SECONDS),
    );
  }

  async replay(client: Redis): Promise<void> {
    for (const entry of [...this.#held]) await this.#give(client, entry);
  }

  ready(): boolean {
    return this.#held.size <= 100;
  }

  /** All in one turn: what is written next is sent behind them. */
  async handOver(client: Redis): Promise<void> {
    await Promise.all([...this.#held].map((entry) => this.#give(client, entry)));
  }

  async #give(client: Redis, [key, held]: [string, Held]): Promise<void> {
    const left = Math.ceil(held.endsAt - performance.now());
    if (left > 0) await this.#send(client, key, held.fields, left);
    // A change made while it was sent has put another object there.
    if (this.#held.get(key) === held) this.#held.delete(key);
  }

  async #send(
    client: Redis,
    key: string,
    fields: ReadonlyMap<string, string | null>,
    ttlMs: number,
  ): Promise<void> {
    const name = this.#prefix + key;
    const change = client.multi();
    for (const [field, json] of fields)
      if (json === null) change.hdel(name, field);
      else change.hset(name, field, json);
    change.pexpire(name, ttlMs);
    const replies = (await withDeadline(change.exec(), COMMAND_TIMEOUT_MS)) ?? [];
    const failed = replies.find(([error]) => error !== null);
    if (failed?.[0]) throw failed[0];
  }

  #note(key: string, field: string, json: string | null, ttlSeconds: number): void {
    const fields = new Map(this.#live(key)?.fields).set(field, json);
    this.#held.delete(key);
    this.#held.set(key, { fields, endsAt: performance.now() + ttlSeconds * 1_000 });
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= MOST) break;
      this.#held.delete(oldest);
    }
  }

  #live(key: string): Held | undefined {
    const held = this.#held.get(key);
    if (held && held.endsAt > performance.now()) return held;
    this.#held.delete(key);
    return undefined;
  }

  async #either<T>(onRedis: (client: Redis) => Promise<T>, onMemory: () => T): Promise<T> {
    const link = this.#link;
    if (link?.mode !== 'redis') return onMemory();
    try {
      return await link.run(() => withDeadline(onRedis(link.client), COMMAND_TIMEOUT_MS));
    } catch (error) {
      if (!(error instanceof RedisAwayError)) throw error;
      return onMemory();
    }
  }
}
