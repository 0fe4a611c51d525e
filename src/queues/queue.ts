/**
 * The words for queues and jobs, and what the engines call them:
 *
 * | here      | BullMQ                                | pg-boss                                  |
 * |-----------|---------------------------------------|------------------------------------------|
 * | waiting   | wait, paused and prioritized          | created or retry, start_after has passed |
 * | delayed   | delayed                               | created or retry, start_after to come    |
 * | active    | active (a worker holds its lock)      | active                                   |
 * | blocked   | waiting-children (parent of a flow)   | created, waits for others (12 and later) |
 * | completed | completed, while they are kept        | completed, until they are archived       |
 * | failed    | failed                                | failed                                   |
 * | cancelled | -: cancelling a waiting job removes it| cancelled, can be retried                |
 * | scope     | the key prefix (`bull`)               | the schema (`pgboss`)                    |
 * | retry     | failed -> waiting, attempts kept      | failed or cancelled -> waiting           |
 * | cancel    | waiting: removed; active: fenced      | waiting, active -> cancelled             |
 * | promote   | delayed -> waiting                    | delayed -> waiting (start_after = now)   |
 */
export const JOB_STATES = [
  'waiting',
  'delayed',
  'active',
  'blocked',
  'completed',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof JOB_STATES)[number];

export type EngineName = 'bullmq' | 'pgboss';

/** Which queue: a name is unique in its scope only. */
export interface QueueRef {
  engine: EngineName;
  /** Name of the Redis or Postgres in the configuration. */
  source: string;
  /** BullMQ's key prefix, pg-boss's schema. */
  scope: string;
  queue: string;
}

/** A queue as it stands; null is what could not be read. */
export interface QueueSnapshot extends QueueRef {
  waiting: number | null;
  active: number | null;
  delayed: number | null;
  blocked: number | null;
  completed: number | null;
  failed: number | null;
  /** Milliseconds since the oldest waiting job could have been taken; null when none waits, too. */
  oldest_waiting_ms: number | null;
  /** Null where the engine does not say (pg-boss has no pause; a right is missing). */
  paused: boolean | null;
  /** Connected workers, on a cluster at least so many; null where the engine does not say. */
  workers: number | null;
}
