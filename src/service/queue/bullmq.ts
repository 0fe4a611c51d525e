import { randomUUID } from 'node:crypto';
import { type Job, Queue, UnrecoverableError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Json } from '../cache/types.js';
import { createClient, type RedisAddress } from '../connection/client.js';
import { withDeadline } from '../connection/deadline.js';
import {
  ATTEMPTS,
  BACKOFF_MS,
  CancelledError,
  checkPush,
  engineName,
  type Handler,
  type JobProgress,
  type JobQueue,
  type JobState,
  type JobView,
  KEEP,
  type PushOptions,
} from './types.js';

export interface BullmqOptions {
  address: RedisAddress;
  name: string;
  /** `{prefix}:{env}:`; cancelled jobs are noted under it. */
  keyPrefix: string;
  onError: (error: unknown) => void;
  /** How long a worker that died holds its jobs, in milliseconds (default 30,000). */
  lockMs?: number;
  /** Longest wait for Redis when a job is pushed or looked at, in milliseconds (default 2,000). */
  timeoutMs?: number;
}

/** Times a job may be found stalled (its worker died) before it fails. BullMQ's one is too few for restarts. */
const MOST_STALLS = 10;
/** Jobs on Redis by BullMQ. Pushing rejects within seconds while Redis is away: nothing is promised that is not stored. */
export class BullmqQueue implements JobQueue {
  readonly engine = 'redis';
  readonly #options: BullmqOptions;
  readonly #queue: Queue;
  /** For notes of our own: BullMQ's connection is BullMQ's. */
  readonly #notes: Redis;
  readonly #stops = new Map<string, AbortController>();
  readonly #timeoutMs: number;
  #worker: Worker | undefined;

  constructor(options: BullmqOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 2_000;
    this.#queue = new Queue(engineName(options.name), {
      connection: {
        ...connectionOf(options.address),
        maxRetriesPerRequest: 1,
        enableOfflineQueue: true,
        commandTimeout: this.#timeoutMs,
      },
      defaultJobOptions: {
        attempts: ATTEMPTS,
        backoff: { type: 'exponential', delay: BACKOFF_MS },
        removeOnComplete: { count: KEEP.completed },
        removeOnFail: false,
      },
    });
    this.#queue.on('error', options.onError);
    this.#notes = createClient(options.address);
  }

  async push(data: Json, options: PushOptions = {}): Promise<string> {
    checkPush(options);
    const { id = randomUUID(), delayMs, priority } = options;
    const more = {
      ...(delayMs !== undefined && { delay: delayMs }),
      // BullMQ begins with the lowest; here, as in pg-boss, the highest is first.
      ...(priority && { priority: Math.max(1, 1_000_000 - priority) }),
    };
    // BullMQ would wait for a Redis that is away, and store the job long after the caller has given up.
    await withDeadline((await this.#connected()).ping(), this.#timeoutMs);
    await withDeadline(
      this.#queue.add(this.#options.name, data, { jobId: id, ...more }),
      this.#timeoutMs,
    );
    return id;
  }

  async process(handler: Handler, { concurrency = 1 } = {}): Promise<void> {
    const { address, onError, lockMs = 30_000 } = this.#options;
    this.#worker = new Worker(engineName(this.#options.name), (job) => this.#run(job, handler), {
      connection: { ...connectionOf(address), maxRetriesPerRequest: null },
      concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: MOST_STALLS,
    });
    // Without a listener an error (Redis is stopped) would end the process.
    this.#worker.on('error', onError);
  }

  async get(id: string): Promise<JobView | undefined> {
    const cancelled = await (await this.#connected()).get(this.#cancelKey(id));
    const job = await withDeadline(this.#queue.getJob(id), this.#timeoutMs);
    if (!job)
      return cancelled === null ? undefined : viewOf(id, JSON.parse(cancelled), 'cancelled');
    const { progress, attemptsStarted = 0, returnvalue, failedReason } = job;
    const state = cancelled === null ? STATES[await job.getState()] : 'cancelled';
    return {
      ...viewOf(id, job.data, state ?? 'pending'),
      progress:
        typeof progress === 'object' ? (progress as unknown as JobProgress) : { percent: 0 },
      attempts: attemptsStarted,
      ...(returnvalue !== null && returnvalue !== undefined && { result: returnvalue as Json }),
      ...(failedReason && { error: failedReason }),
    };
  }

  async cancel(id: string): Promise<boolean> {
    const view = await this.get(id);
    if (view?.state !== 'pending' && view?.state !== 'processing') return false;
    // Noted first: a worker that takes it meanwhile sees the note at its beginning.
    const note = JSON.stringify(view.data);
    await (await this.#connected()).set(this.#cancelKey(id), note, 'PX', KEEP.ms);
    this.#stops.get(id)?.abort(new CancelledError());
    if (view.state === 'pending') await this.#queue.remove(id);
    return true;
  }

  async retry(id: string): Promise<boolean> {
    const job = await this.#queue.getJob(id);
    if (!job || (await job.getState()) !== 'failed') return false;
    await (await this.#connected()).del(this.#cancelKey(id));
    await job.retry('failed', { resetAttemptsMade: true });
    return true;
  }

  async cleanUp(): Promise<number> {
    const before = Date.now() - KEEP.ms;
    const old = async (type: 'completed' | 'failed') => {
      // The newest first; jobs that are kept in any case are passed over.
      const jobs = await this.#queue.getJobs([type], KEEP[type], KEEP[type] + 10_000, false);
      const gone = jobs.filter((job) => (job.finishedOn ?? before) < before);
      for (const job of gone) await job.remove();
      return gone.length;
    };
    return (await old('completed')) + (await old('failed'));
  }

  async close(graceMs = 5_000): Promise<void> {
    const worker = this.#worker;
    const timer = setTimeout(() => {
      for (const stop of this.#stops.values()) stop.abort(new Error('closing'));
    }, graceMs);
    // Redis may be gone: then there is nobody to take leave of.
    const late = new Promise<void>((resolve) => setTimeout(resolve, graceMs + 500).unref());
    await Promise.race([Promise.allSettled([worker?.close()]), late]);
    clearTimeout(timer);
    worker?.disconnect?.().catch(() => {});
    await Promise.race([this.#queue.close().catch(() => {}), late]);
    await Promise.race([this.#queue.disconnect().catch(() => {}), late]);
    this.#notes.disconnect();
  }

  async #run(job: Job, handler: Handler): Promise<unknown> {
    const id = String(job.id);
    const stop = new AbortController();
    this.#stops.set(id, stop);
    try {
      if (await this.#isCancelled(id)) throw new CancelledError();
      return await handler({
        id,
        data: job.data as Json,
        attempt: job.attemptsMade + 1,
        attempts: job.opts.attempts ?? 1,
        signal: stop.signal,
        progress: (progress) => this.#progress(job, progress, stop),
      });
    } catch (error) {
      if (error instanceof CancelledError) throw new UnrecoverableError(error.message);
      throw error;
    } finally {
      this.#stops.delete(id);
    }
  }

  /** A Redis that is away stops no job: its progress is not seen, and whether it was cancelled the next time. */
  async #progress(job: Job, progress: JobProgress, stop: AbortController): Promise<void> {
    stop.signal.throwIfAborted();
    const told = job.updateProgress({ ...progress }).then(() => this.#isCancelled(String(job.id)));
    // BullMQ waits for Redis however long it takes: the job would stand still all the while.
    const isCancelled = await withDeadline(told, this.#timeoutMs).catch(this.#options.onError);
    if (!isCancelled) return;
    const cancelled = new CancelledError();
    stop.abort(cancelled);
    throw cancelled;
  }

  async #isCancelled(id: string): Promise<boolean> {
    return (await (await this.#connected()).exists(this.#cancelKey(id))) > 0;
  }

  async #connected(): Promise<Redis> {
    if (this.#notes.status === 'wait') await this.#notes.connect();
    return this.#notes;
  }

  #cancelKey(id: string): string {
    return `${this.#options.keyPrefix}cancelled:${engineName(this.#options.name)}:${id}`;
  }
}

const STATES: Record<string, JobState> = {
  waiting: 'pending',
  prioritized: 'pending',
  delayed: 'pending',
  active: 'processing',
  completed: 'completed',
  failed: 'failed',
};

const viewOf = (id: string, data: Json, state: JobState): JobView => ({
  id,
  data,
  state,
  progress: { percent: 0 },
  attempts: 0,
});

function connectionOf({ tls, host, ...address }: RedisAddress) {
  return {
    ...address,
    host,
    ...(tls && { tls: { servername: host } }),
    retryStrategy: (attempt: number) => Math.min(50 * attempt, 500),
  };
}
