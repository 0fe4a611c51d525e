import { randomUUID } from 'node:crypto';
import type { Json } from '../cache/types.js';
import { type Mode, RedisAwayError, type RedisLink } from '../connection/link.js';
import { type Lent, MemoryQueue } from './memory.js';
import { checkPush, type Handler, type JobQueue, type JobView, type PushOptions } from './types.js';

export interface FallbackQueueOptions {
  /** Says whether Redis is used. */
  link: RedisLink;
  /** The queue on that Redis. */
  redis: JobQueue;
  onError: (error: unknown) => void;
}

/** How often it is looked whether jobs in memory can go to Redis, in milliseconds. */
const GIVE_MS = 200;
/** Jobs that go to Redis at a time. */
const AT_A_TIME = 50;

/**
 * A queue on Redis that takes jobs into memory while Redis is away. They are begun here, and what has not
 * been begun when Redis is back goes there under the same id, for whichever instance comes first.
 *
 * None is begun twice for that reason: a job that Redis may have (its answer was lost) and one with an id of
 * the caller's (another instance may have taken it) wait for Redis, which takes an id once. What it cannot
 * promise: jobs in memory end with this process, and an id is known for as long as Redis keeps its job.
 */
export class FallbackQueue implements JobQueue {
  readonly engine = 'redis';
  readonly #link: RedisLink;
  readonly #redis: JobQueue;
  readonly #memory: MemoryQueue;
  readonly #onError: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout;
  #giving: Promise<void> | undefined;

  constructor({ link, redis, onError }: FallbackQueueOptions) {
    this.#link = link;
    this.#redis = redis;
    this.#onError = onError;
    this.#memory = new MemoryQueue();
    this.#timer = setInterval(() => void this.#give(), GIVE_MS).unref();
  }

  get mode(): Mode {
    return this.#link.mode;
  }

  /** Jobs that are in memory only. */
  inMemory(): { waiting: number; running: number } {
    return this.#memory.counts();
  }

  async push(data: Json, options: PushOptions = {}): Promise<string> {
    checkPush(options);
    const id = options.id ?? randomUUID();
    if (this.mode === 'memory')
      return this.#memory.push(data, { ...options, id }, options.id !== undefined);
    try {
      return await this.#redis.push(data, { ...options, id });
    } catch (error) {
      this.#onError(error);
      return this.#memory.push(data, { ...options, id }, true);
    }
  }

  /** Up to `concurrency` of either kind: jobs that run in memory when Redis is back run to their end. */
  async process(handler: Handler, options?: { concurrency?: number }): Promise<void> {
    await this.#memory.process(handler, options);
    await this.#redis.process(handler, options);
  }

  /** Rejects with RedisAwayError for a job that only Redis knows, while it is away. */
  async get(id: string): Promise<JobView | undefined> {
    return (await this.#memory.get(id)) ?? this.#onRedis().get(id);
  }

  async cancel(id: string): Promise<boolean> {
    return (await this.#memory.get(id)) ? this.#memory.cancel(id) : this.#onRedis().cancel(id);
  }

  async retry(id: string): Promise<boolean> {
    return (await this.#memory.get(id)) ? this.#memory.retry(id) : this.#onRedis().retry(id);
  }

  async cleanUp(): Promise<number> {
    const here = await this.#memory.cleanUp();
    return here + (await this.#onRedis().cleanUp());
  }

  /** What is left in memory goes to Redis; while that is away it is lost, and told to `onError`. */
  async close(graceMs?: number): Promise<void> {
    clearInterval(this.#timer);
    await this.#memory.close(graceMs);
    await this.#give();
    await this.#redis.close(graceMs);
    const { waiting } = this.#memory.counts();
    if (waiting > 0) this.#onError(new Error(`jobs lost that were in memory only: ${waiting}`));
  }

  #onRedis(): JobQueue {
    if (this.mode === 'memory') throw new RedisAwayError('in memory mode');
    return this.#redis;
  }

  #give(): Promise<void> {
    this.#giving ??= this.#giveAll()
      .catch(this.#onError)
      .finally(() => {
        this.#giving = undefined;
      });
    return this.#giving;
  }

  /** Until there are none, or Redis fails: what it did not confirm is offered again. */
  async #giveAll(): Promise<void> {
    while (this.mode === 'redis') {
      const some = this.#memory.lend(AT_A_TIME);
      if (some.length === 0) return;
      await Promise.all(some.map((job) => this.#giveOne(job)));
    }
  }

  async #giveOne({ id, data, options }: Lent): Promise<void> {
    const isCancelled = async () => (await this.#memory.get(id))?.state === 'cancelled';
    if (!(await isCancelled())) await this.#redis.push(data, options);
    // It may have been stored all the same, or cancelled just now.
    if (await isCancelled()) await this.#redis.cancel(id);
    this.#memory.given(id);
  }
}
