import type pg from 'pg';
import type { RedisLink } from '../connection/link.js';
import type { Settings } from '../settings.js';
import { BullmqQueue } from './bullmq.js';
import { FallbackQueue } from './fallback.js';
import { MemoryQueue } from './memory.js';
import { PgbossQueue } from './pgboss.js';
import type { JobQueue } from './types.js';

export interface QueuesOptions {
  settings: Settings;
  /** Needed for queues on Redis. */
  link: RedisLink | undefined;
  /** Needed for pg-boss. */
  pool: pg.Pool | undefined;
  onError: (error: unknown) => void;
}

/** How the queues of an instance are. */
export interface QueueState {
  /** What takes jobs now: `memory` instead of `redis` while that is away and the settings allow it. */
  mode: Settings['queueType'];
  /** Jobs that this process alone has, over all queues that fall back. */
  memory: { waiting: number; running: number };
}

/** Clean-up of ended jobs, in milliseconds: BullMQ and pg-boss keep more than the estate wants kept. */
const CLEAN_UP_MS = 10 * 60_000;

/** Opens the queues of an instance as its settings say, and looks after them. Who opens one closes it. */
export class Queues {
  readonly #options: QueuesOptions;
  readonly #opened: JobQueue[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(options: QueuesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#cleanUp(), CLEAN_UP_MS).unref();
  }

  open(name: string): JobQueue {
    const queue = this.#make(name);
    this.#opened.push(queue);
    return queue;
  }

  state(): QueueState {
    const { settings, link } = this.#options;
    const { queueType, queueFallback } = settings;
    const memory = { waiting: 0, running: 0 };
    for (const queue of this.#opened) {
      if (!(queue instanceof FallbackQueue)) continue;
      const { waiting, running } = queue.inMemory();
      memory.waiting += waiting;
      memory.running += running;
    }
    return { mode: queueFallback && link ? link.mode : queueType, memory };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #cleanUp(): void {
    for (const queue of this.#opened) queue.cleanUp().catch(this.#options.onError);
  }

  #make(name: string): JobQueue {
    const { settings, link, pool, onError } = this.#options;
    const { queueType, queueFallback, redis: address, keyPrefix, leaseMs: lockMs } = settings;
    if (queueType === 'pgboss' && pool) return new PgbossQueue({ pool, name, onError });
    if (queueType !== 'redis' || !address) return new MemoryQueue();
    const options = { address, name, keyPrefix, onError, lockMs };
    if (!queueFallback || !link) return new BullmqQueue(options);
    // Who falls back need not wait for long.
    const redis = new BullmqQueue({ ...options, timeoutMs: 1_000 });
    return new FallbackQueue({ link, redis, onError });
  }
}
