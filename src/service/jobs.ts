import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import type { Json } from './cache/types.js';
import type { Queues } from './queue/open.js';
import type { Handler, JobQueue, JobView, PushOptions } from './queue/types.js';

/** What a job asks the reference service to do; anything else is done at once. */
const wish = z.object({
  takes_ms: z.number().min(0).max(7_200_000).default(0),
  fails: z.boolean().default(false),
});

/** How a queue holds a job: with its owner. */
const owned = z.object({ user: z.string(), data: z.unknown() });

/**
 * Single jobs of users, in the queues that an instance is set up for. A job is known to its user alone, and
 * an id of one user's is no other's: to anyone else there is no such job.
 */
export class Jobs {
  readonly #queues = new Map<string, JobQueue>();
  readonly #onError: (error: unknown) => void;
  #closed = false;

  constructor(queues: Queues, names: readonly string[], onError: (error: unknown) => void) {
    this.#onError = onError;
    for (const name of names) this.#queues.set(name, queues.open(name));
  }

  /** Begins to work on them, once the store is there; with 0 it only takes them. */
  start(concurrency: number): void {
    if (concurrency === 0) return;
    for (const queue of this.#queues.values()) void this.#work(queue, concurrency);
  }

  has(queue: string): boolean {
    return this.#queues.has(queue);
  }

  /** Stores a job; returns the id by which its user finds it. Throws RangeError for bad options. */
  async push(queue: string, user: string, data: Json, options: PushOptions): Promise<string> {
    const { id } = options;
    const own = id !== undefined && { id: `${markOf(user)}-${id}` };
    return this.#queue(queue).push({ user, data }, { ...options, ...own });
  }

  /** Undefined when this user has no such job. */
  async get(queue: string, user: string, id: string): Promise<JobView | undefined> {
    const view = await this.#queue(queue).get(id);
    const held = owned.safeParse(view?.data).data;
    return view && held?.user === user ? { ...view, data: held.data as Json } : undefined;
  }

  async cancel(queue: string, user: string, id: string): Promise<boolean> {
    return (await this.get(queue, user, id)) ? this.#queue(queue).cancel(id) : false;
  }

  async retry(queue: string, user: string, id: string): Promise<boolean> {
    return (await this.get(queue, user, id)) ? this.#queue(queue).retry(id) : false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }

  #queue(name: string): JobQueue {
    const queue = this.#queues.get(name);
    if (!queue) throw new RangeError(`there is no queue ${name}`);
    return queue;
  }

  /** Tries until the store is there: pg-boss needs its tables first. */
  async #work(queue: JobQueue, concurrency: number): Promise<void> {
    for (let pause = 100; !this.#closed; pause = Math.min(2 * pause, 5_000)) {
      try {
        return await queue.process(perform, { concurrency });
      } catch (error) {
        this.#onError(error);
        await sleep(pause, undefined, { ref: false });
      }
    }
  }
}

/** Waits as a call of a model does, in four steps. */
const perform: Handler = async ({ data, signal, progress }) => {
  const { takes_ms, fails } = wish.safeParse(owned.parse(data).data).data ?? wish.parse({});
  const STEPS = 4;
  for (let step = 1; step <= STEPS; step += 1) {
    await sleep(takes_ms / STEPS, undefined, { signal });
    await progress({ percent: (100 * step) / STEPS, message: `step ${step} of ${STEPS}` });
  }
  if (fails) throw new Error('it was asked to fail');
  return { done: true };
};

/** Stands before a user's own ids: a user may hold characters that no engine takes in an id. */
const markOf = (user: string) => `u${createHash('sha256').update(user).digest('hex').slice(0, 16)}`;
