import type { Json } from '../cache/types.js';
import { RedisAwayError } from '../connection/link.js';
import { CancelledError, type JobCall, type JobQueue } from '../queue/types.js';
import { BatchLine } from './line.js';
import { type BatchEnd, type ItemWork, runBatch } from './run.js';
import type { BatchStore } from './store.js';
import type { BatchRef, Claim, NewTask } from './types.js';

export interface BatchRunnerOptions {
  store: BatchStore;
  /** Opens the queue of a kind of task; asked once for each, when there is work of it. */
  openQueue(kind: string): JobQueue;
  work: ItemWork;
  /** Name of this instance, for those who look at a task. */
  worker: string;
  /** Batches at a time of each kind; 0: this instance takes tasks, but works on none. */
  concurrency?: number;
  /** How long a worker may be silent before others go on with its batch, in milliseconds (default 30,000). */
  leaseMs?: number;
  onError?: (error: unknown) => void;
}

/**
 * Takes split tasks and works on their batches. The truth is in Postgres; the queue brings batches round
 * and may lose them or bring them twice. Every instance sweeps: what is in no queue goes into one, and a
 * batch whose worker has fallen silent is done by another, from its checkpoint.
 */
export class BatchRunner {
  readonly #options: Required<BatchRunnerOptions>;
  readonly #line: BatchLine;
  readonly #queues = new Map<string, JobQueue>();
  readonly #working = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  #closed = false;

  constructor(options: BatchRunnerOptions) {
    this.#options = { concurrency: 1, leaseMs: 30_000, onError: () => {}, ...options };
    this.#line = new BatchLine(options.store.pool);
  }

  /** Begins to work and to sweep. Opens nothing until there is a task. */
  start(): void {
    const every = Math.min(this.#options.leaseMs / 3, 5_000);
    this.#timer = setInterval(() => void this.sweep(), every).unref();
    void this.sweep();
  }

  /** Stores a task and hands its batches to the queue; returns its id. Fails only if it is not stored. */
  async submit(task: NewTask): Promise<string> {
    const id = await this.#options.store.create(task);
    void this.sweep();
    return id;
  }

  /** One round; what fails is left for the next one. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep()
      .catch(this.#options.onError)
      .finally(() => {
        this.#sweeping = undefined;
      });
    return this.#sweeping;
  }

  /** Takes no more batches; those under way stop after `graceMs` at the latest and go to others. */
  async close(graceMs = 5_000): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#sweeping;
    await Promise.all([...this.#queues.values()].map((queue) => queue.close(graceMs)));
  }

  async #sweep(): Promise<void> {
    const { concurrency, leaseMs } = this.#options;
    const line = this.#line;
    const kinds = await line.openKinds();
    if (kinds.length > 0) await line.releaseStalled(leaseMs);
    if (kinds.length > 0) await line.recall(leaseMs, (job) => this.#waits(job));
    for (const kind of kinds) {
      if (this.#closed) return;
      if (concurrency === 0 || this.#working.has(kind)) continue;
      await this.#queue(kind).process((call) => this.#handle(call), { concurrency });
      this.#working.add(kind);
    }
    let dispatched = kinds.length;
    while (dispatched > 0 && !this.#closed)
      dispatched = await line.dispatch(({ task, batch, kind }) =>
        // A new job each time: one of the same id that has ended would be taken for it.
        this.#queue(kind).push({ task, batch }),
      );
  }

  /**
   * Whether a job is in line. One that was taken, while its batch was not, has lost its worker; one of which
   * only a Redis that is away knows does no work now: it finds its batch done when it comes.
   */
  async #waits({ kind, id }: { kind: string; id: string }): Promise<boolean> {
    try {
      return (await this.#queue(kind).get(id))?.state === 'pending';
    } catch (error) {
      if (error instanceof RedisAwayError) return false;
      throw error;
    }
  }

  #queue(kind: string): JobQueue {
    const queue = this.#queues.get(kind) ?? this.#options.openQueue(kind);
    this.#queues.set(kind, queue);
    return queue;
  }

  async #handle(call: JobCall): Promise<Json> {
    const { store, work, worker, leaseMs } = this.#options;
    const ref = call.data as unknown as BatchRef;
    let claim: Claim | undefined;
    try {
      const end: BatchEnd = await runBatch(store, ref, work, {
        worker,
        heartbeatMs: leaseMs / 5,
        signal: call.signal,
        onClaim: (taken) => {
          claim = taken;
        },
        onProgress: (done, total) => call.progress({ percent: (100 * done) / total }),
      });
      if (end !== 'stopped' || !claim) return { end };
      // This instance ends: the batch need not wait until its lease is over.
      if (!(call.signal.reason instanceof CancelledError)) await store.release(claim);
      else await store.fail(claim, 'its job was cancelled');
      return { end };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const last = error instanceof CancelledError || call.attempt >= call.attempts;
      if (last && claim) await store.fail(claim, message);
      throw error;
    }
  }
}
