import type { Cache, Json } from './cache/types.js';

export const SESSION_KINDS = ['generate', 'optimize', 'search'] as const;
export type SessionKind = (typeof SESSION_KINDS)[number];

export interface Message {
  role: 'user' | 'assistant';
  content: string;
  /** ISO. */
  at: string;
}

/** How long a session outlives its last message, in seconds. */
const SESSION_TTL_SECONDS = 2 * 60 * 60;
/** A round is a question and its answer; older ones are cut. */
export const MAX_ROUNDS = 20;

export interface SessionStoreOptions {
  memory?: Cache | undefined;
  redis?: Cache | undefined;
  now?: () => Date;
}

/**
 * Chat sessions of three kinds, each readable only with its user's id: the user is part of the key. With
 * both stores given, both are written, Redis first, and Redis is read first, as for task status. Messages
 * that one instance adds at the same time are added one after the other; of two instances the later wins.
 */
export class SessionStore {
  readonly #stores: readonly Cache[];
  readonly #now: () => Date;
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: SessionStoreOptions) {
    this.#stores = [options.redis, options.memory].filter((store) => store !== undefined);
    if (this.#stores.length === 0) throw new TypeError('a session store needs memory or redis');
    this.#now = options.now ?? (() => new Date());
  }

  /** The messages, the oldest first; undefined when there is no such session of this user. */
  async get(kind: SessionKind, user: string, task: string): Promise<Message[] | undefined> {
    for (const store of this.#stores) {
      const found = await store.get(keyOf(kind, user, task));
      if (found !== undefined) return (found as unknown as { messages: Message[] }).messages;
    }
    return undefined;
  }

  /** Adds a message and renews the session's life; returns what is kept. */
  add(
    kind: SessionKind,
    user: string,
    task: string,
    message: Omit<Message, 'at'>,
  ): Promise<Message[]> {
    const key = keyOf(kind, user, task);
    const before = this.#turns.get(key) ?? Promise.resolve();
    const turn = before.then(async () => {
      const earlier = (await this.get(kind, user, task)) ?? [];
      const messages = [...earlier, { ...message, at: this.#now().toISOString() }];
      const kept = messages.slice(-2 * MAX_ROUNDS);
      for (const store of this.#stores)
        await store.set(key, { messages: kept } as unknown as Json, SESSION_TTL_SECONDS);
      return kept;
    });
    const settled = turn
      .catch(() => {})
      .finally(() => {
        if (this.#turns.get(key) === settled) this.#turns.delete(key);
      });
    this.#turns.set(key, settled);
    return turn;
  }

  /** False when there was none. */
  async delete(kind: SessionKind, user: string, task: string): Promise<boolean> {
    let found = false;
    for (const store of this.#stores)
      found = (await store.delete(keyOf(kind, user, task))) || found;
    return found;
  }
}

/** As in `{prefix}:{env}:chat:{kind}:{user}:{task}`: ids must not hold a colon, see `TaskStore`. */
function keyOf(kind: SessionKind, user: string, task: string): string {
  if (user.includes(':') || task.includes(':')) throw new TypeError('an id must not hold a colon');
  return `${kind}:${user}:${task}`;
}
