import { randomUUID } from 'node:crypto';
import type { Json } from '../cache/types.js';
import {
  ATTEMPTS,
  BACKOFF_MS,
  CancelledError,
  checkPush,
  type Handler,
  type JobProgress,
  type JobQueue,
  type JobState,
  type JobView,
  KEEP,
  type PushOptions,
} from './types.js';

interface Job {
  id: string;
  data: Json;
  state: JobState;
  priority: number;
  /** When it may begin and when it ended, on the clock. */
  dueAt: number;
  endedAt: number;
  order: number;
  attempts: number;
  progress: JobProgress;
  result?: Json;
  error?: string;
  stop?: AbortController;
  /** Another queue may have it as well: it is not begun here. */
  shared: boolean;
}

/** A job on its way to another queue. */
export interface Lent {
  id: string;
  data: Json;
  options: PushOptions;
}

export interface MemoryQueueOptions {
  /** Pause before the second attempt, in milliseconds; it doubles. */
  backoffMs?: number;
}

/** Jobs in this process: for development, and where losing them with it is fine. */
export class MemoryQueue implements JobQueue {
  readonly engine = 'memory';
  readonly #jobs = new Map<string, Job>();
  readonly #backoffMs: number;
  readonly #running = new Set<Promise<void>>();
  #handler: Handler | undefined;
  #concurrency = 1;
  #timer: NodeJS.Timeout | undefined;
  #pushed = 0;
  #closed = false;

  constructor({ backoffMs = BACKOFF_MS }: MemoryQueueOptions = {}) {
    this.#backoffMs = backoffMs;
  }

  /** With `shared` another queue may have stored it: it waits to be lent. */
  async push(data: Json, options: PushOptions = {}, shared = false): Promise<string> {
    checkPush(options);
    const { id = randomUUID(), delayMs = 0, priority = 0 } = options;
    if (this.#jobs.has(id)) return id;
    this.#pushed += 1;
    this.#jobs.set(id, {
      id,
      // A copy, as every other queue keeps one.
      data: structuredClone(data) as Json,
      state: 'pending',
      priority,
      dueAt: performance.now() + delayMs,
      endedAt: 0,
      order: this.#pushed,
      attempts: 0,
      progress: { percent: 0 },
      shared,
    });
    this.#turn();
    return id;
  }

  async process(handler: Handler, { concurrency = 1 } = {}): Promise<void> {
    this.#handler = handler;
    this.#concurrency = concurrency;
    this.#turn();
  }

  async get(id: string): Promise<JobView | undefined> {
    const job = this.#jobs.get(id);
    if (!job) return undefined;
    const { data, state, progress, attempts, result, error } = job;
    const ended = {
      ...(result !== undefined && { result }),
      ...(error !== undefined && { error }),
    };
    return { id, data, state, progress, attempts, ...ended };
  }

  async cancel(id: string): Promise<boolean> {
    const job = this.#jobs.get(id);
    if (!job || !['pending', 'processing'].includes(job.state)) return false;
    this.#end(job, 'cancelled');
    job.stop?.abort(new CancelledError());
    return true;
  }

  async retry(id: string): Promise<boolean> {
    const job = this.#jobs.get(id);
    if (job?.state !== 'failed') return false;
    delete job.error;
    Object.assign(job, { state: 'pending', attempts: 0, dueAt: performance.now() });
    this.#turn();
    return true;
  }

  async cleanUp(): Promise<number> {
    const old = performance.now() - KEEP.ms;
    const ended = [...this.#jobs.values()].sort((a, b) => b.endedAt - a.endedAt);
    const kept: Record<string, number> = { ...KEEP, cancelled: KEEP.completed };
    const gone = ended.filter(({ state, endedAt }) => {
      if (state === 'pending' || state === 'processing') return false;
      const left = (kept[state] ?? 0) - 1;
      kept[state] = left;
      return left < 0 && endedAt < old;
    });
    for (const { id } of gone) this.#jobs.delete(id);
    return gone.length;
  }

  /** Jobs that wait, and jobs that run. */
  counts(): { waiting: number; running: number } {
    let waiting = 0;
    for (const { state, shared } of this.#jobs.values())
      if (state === 'pending' || (state === 'cancelled' && shared)) waiting += 1;
    return { waiting, running: this.#running.size };
  }

  /** Some of the jobs that wait, for another queue; from now on none of them is begun here. */
  lend(most: number): Lent[] {
    const lent: Lent[] = [];
    for (const job of this.#jobs.values()) {
      if (lent.length === most) break;
      if (job.state !== 'pending' && !(job.state === 'cancelled' && job.shared)) continue;
      job.shared = true;
      const { id, data, priority, dueAt } = job;
      const delayMs = Math.max(0, Math.ceil(dueAt - performance.now()));
      lent.push({ id, data, options: { id, delayMs, priority } });
    }
    return lent;
  }

  /** The other queue has it. One that was cancelled meanwhile stays to be seen as such. */
  given(id: string): void {
    const job = this.#jobs.get(id);
    if (job?.state === 'pending') this.#jobs.delete(id);
    else if (job) job.shared = false;
  }

  async close(graceMs = 5_000): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const timer = setTimeout(() => {
      for (const { stop } of this.#jobs.values()) stop?.abort(new Error('closing'));
    }, graceMs);
    await Promise.allSettled(this.#running);
    clearTimeout(timer);
  }

  /** Begins what is due; looks again when the next is. */
  #turn(): void {
    clearTimeout(this.#timer);
    if (!this.#handler || this.#closed) return;
    const now = performance.now();
    const waiting = [...this.#jobs.values()].filter(
      ({ state, shared }) => state === 'pending' && !shared,
    );
    const due = waiting.filter(({ dueAt }) => dueAt <= now);
    due.sort((a, b) => b.priority - a.priority || a.order - b.order);
    for (const job of due.slice(0, this.#concurrency - this.#running.size)) {
      const run = this.#run(job, this.#handler).finally(() => {
        this.#running.delete(run);
        this.#turn();
      });
      this.#running.add(run);
    }
    const next = Math.min(...waiting.map(({ dueAt }) => dueAt).filter((at) => at > now));
    if (Number.isFinite(next)) this.#timer = setTimeout(() => this.#turn(), next - now + 1).unref();
  }

  async #run(job: Job, handler: Handler): Promise<void> {
    const stop = new AbortController();
    job.state = 'processing';
    job.attempts += 1;
    job.stop = stop;
    try {
      const result = await handler({
        id: job.id,
        data: job.data,
        attempt: job.attempts,
        attempts: ATTEMPTS,
        signal: stop.signal,
        async progress(progress) {
          stop.signal.throwIfAborted();
          job.progress = progress;
        },
      });
      if (isCancelled(job)) return;
      if (result !== undefined) job.result = result;
      this.#end(job, 'completed');
    } catch (error) {
      if (isCancelled(job)) return;
      job.error = error instanceof Error ? error.message : String(error);
      if (job.attempts >= ATTEMPTS) return this.#end(job, 'failed');
      job.state = 'pending';
      job.dueAt = performance.now() + this.#backoffMs * 2 ** (job.attempts - 1);
    } finally {
      delete job.stop;
    }
  }

  #end(job: Job, state: JobState): void {
    job.state = state;
    job.endedAt = performance.now();
  }
}

/** It may have been while its handler ran; the compiler takes the state for the one that was set before. */
const isCancelled = ({ state }: Job): boolean => state === 'cancelled';
