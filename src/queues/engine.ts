import type { JobFilter } from './filter.js';
import type { Job, JobDetail } from './job.js';
import type { Chosen, Impact, Operation, Outcome } from './operation.js';
import type { EngineName, JobState, QueueRef, QueueSnapshot } from './queue.js';
import type { QueueStats } from './stats.js';

/**
 * The queues of one Redis or one Postgres, open for as long as a command runs. What reads writes
 * nothing: no key, row, version or instance entry, on any version of the engine.
 */
export interface Engine {
  readonly name: EngineName;
  /** Name of the Redis or Postgres in the configuration. */
  readonly source: string;
  /** So many calls of `apply` are worked on at the same time. */
  readonly lanes: number;
  /** Every queue there is, by looking at all keys or tables; `queues/known.ts` remembers the answer. */
  discover(): Promise<QueueRef[]>;
  /** Of these, those that exist: a cheap look at each. */
  existing(queues: readonly QueueRef[]): Promise<QueueRef[]>;
  /** In the order given. */
  snapshots(queues: readonly QueueRef[]): Promise<QueueSnapshot[]>;
  /** Of these queues, those that have a job of this id; one round trip. */
  holding(queues: readonly QueueRef[], id: string): Promise<QueueRef[]>;
  /**
   * Jobs that match, newest first within each state, in pages of at most 1,000; memory does not grow
   * with their number. `bare` ones come in any order, and only with what is needed to choose them:
   * id, state, times, `seen`, `problem`, and what the filter asks about.
   */
  jobs(queue: QueueRef, filter: JobFilter, bare?: boolean): AsyncIterable<Job[]>;
  /**
   * The newest `limit` jobs (some hundreds at most) of these queues together, in any of these states, and
   * whether there are more. Only where that is quicker than to read each queue's newest.
   */
  newest?(
    queues: readonly QueueRef[],
    states: readonly JobState[],
    limit: number,
  ): Promise<{ jobs: Job[]; more: boolean }>;
  /** Undefined when there is no such job. */
  show(queue: QueueRef, id: string): Promise<JobDetail | undefined>;
  /** In depth, over the newest `sample` finished jobs. */
  stats(queue: QueueRef, sample: number): Promise<QueueStats>;

  /** Why nothing may be changed here (`pg-boss schema version 99 is not known`); undefined when it may. */
  readOnlyBecause(queue: QueueRef): Promise<string | undefined>;
  /** What an operation would do to these jobs. Reads only. */
  preview(queue: QueueRef, operation: Operation, jobs: readonly Chosen[]): Promise<Impact[]>;
  /**
   * Does it to at most 1,000 jobs. Each is guarded on its own, in one step on the server; an outcome
   * for each id, in order. To be repeated without harm: what has been done is then `raced`. Nothing
   * is done before `noted` has resolved: that they are begun is on disk then.
   */
  apply(
    queue: QueueRef,
    operation: Operation,
    jobs: readonly Chosen[],
    noted?: Promise<void>,
  ): Promise<Outcome[]>;
  /**
   * Stops workers from taking jobs of a queue, or lets them again. Refuses (CacheOpsError `refused`)
   * where the layout that the queue's applications use is ambiguous, or the engine has no pause.
   * `dry` looks and refuses the same and changes nothing.
   */
  setPaused(queue: QueueRef, paused: boolean, how?: { dry?: boolean }): Promise<'done' | 'already'>;
  close(): Promise<void>;
}
