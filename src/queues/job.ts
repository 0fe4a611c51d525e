import type { JobState, QueueRef } from './queue.js';

/** A job as lists show it. Times in ms since 1970; null is "not said" or "not yet". */
export interface Job extends QueueRef {
  id: string;
  /** BullMQ's job name; pg-boss has none. */
  name: string | null;
  state: JobState;
  priority: number;
  attempts_made: number;
  attempts_max: number | null;
  created_at: number | null;
  /** When it may be taken, for a delayed one. */
  due_at: number | null;
  started_at: number | null;
  finished_at: number | null;
  /** Message of the last failure. */
  error: string | null;
  /** Undefined when it is not JSON: `problem` says so. */
  data: unknown;
  /** ghost: an id in a list without a job; corrupt: a job that cannot be read. It is skipped and counted. */
  problem: 'ghost' | 'corrupt' | null;
  /**
   * What the job looked like when it was read. An operation that is given it changes the job only
   * if it still looks so: one that has failed again in the meantime is another failure.
   */
  seen: string;
}

/** A job in depth. What an engine does not have is null or empty. */
export interface JobDetail extends Job {
  result: unknown;
  stack: string[];
  logs: string[];
  progress: unknown;
  parent: { id: string; queue: string } | null;
  children: { id: string; queue: string; done: boolean }[];
  /** The job scheduler, repeat key or cron that made it. */
  scheduler: string | null;
  lock: { token: string; expires_in_ms: number | null } | null;
  /** The queue it came from, or goes to, when it fails for good. */
  dead_letter: { from: string | null; to: string | null };
  /** Where a retry would put it, in words: `waiting, priority 3`; or why it cannot be retried. */
  retry: string;
}

/** A job of which only its place is known. Written out: a spread of `ref` is slow over 100,000 jobs. */
export function blankJob(ref: QueueRef, id: string, state: JobState): Job {
  return {
    engine: ref.engine,
    source: ref.source,
    scope: ref.scope,
    queue: ref.queue,
    id,
    name: null,
    state,
    priority: 0,
    attempts_made: 0,
    attempts_max: null,
    created_at: null,
    due_at: null,
    started_at: null,
    finished_at: null,
    error: null,
    data: undefined,
    problem: null,
    seen: '',
  };
}
