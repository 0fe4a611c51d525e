import { messageOf } from '../errors.js';
import type { RedisClient } from '../redis/client.js';

/** Milliseconds: every key goes by itself after this, even when the process is killed outright. */
const LIFETIME = 60_000;

/**
 * The keys that one run writes into one Redis. Each is noted by name before it is sent, so that it
 * can be removed whatever happens next; nothing else is ever deleted.
 */
export class OwnKeys {
  readonly #written = new Set<string>();

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {}

  /** Writes under `prefix + name`; `ttl` in milliseconds. Nothing is written once `signal` is aborted. */
  async put(name: string, value: string, signal: AbortSignal, ttl = LIFETIME): Promise<void> {
    signal.throwIfAborted();
    const key = this.prefix + name;
    this.#written.add(key);
    try {
      await this.client.set(key, value, 'PX', ttl);
    } catch (error) {
      // An error reply says that it was not written; a broken connection leaves that open.
      if (error instanceof Error && error.name === 'ReplyError') this.#written.delete(key);
      throw error;
    }
  }

  get(name: string): Promise<string | null> {
    return this.client.get(this.prefix + name);
  }

  async exists(name: string): Promise<boolean> {
    return (await this.client.exists(this.prefix + name)) === 1;
  }

  /** Whether there was something to delete. */
  async delete(name: string): Promise<boolean> {
    return (await this.client.del(this.prefix + name)) === 1;
  }

  /** Milliseconds left to live; negative when there is no key, or no end. */
  pttl(name: string): Promise<number> {
    return this.client.pttl(this.prefix + name);
  }

  /** Removes what is still noted, each key on its own: in a cluster they lie in different slots. */
  async removeAll(client: RedisClient = this.client): Promise<void> {
    await Promise.all(
      [...this.#written].map(async (key) => {
        await client.del(key);
        this.#written.delete(key);
      }),
    );
  }

  /** The keys that may still be there. */
  get left(): string[] {
    return [...this.#written];
  }
}

/** A reply in words, where the server's own do not say what to do. */
export function reasonOf(error: unknown, timeout: number): string {
  const message = messageOf(error);
  if (message === 'Command timed out') return `no answer within ${timeout} ms`;
  return message.startsWith('READONLY')
    ? 'READONLY: a replica answers where a master was expected (after a failover? if it is meant: replica: true)'
    : message;
}
