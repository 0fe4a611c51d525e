/**
 * One queue of either engine, as it stands. The words, and what the engines call them:
 *
 * | here      | BullMQ                                | pg-boss                                  |
 * |-----------|---------------------------------------|------------------------------------------|
 * | waiting   | wait, paused and prioritized          | created or retry, start_after has passed |
 * | delayed   | delayed                               | created or retry, start_after to come    |
 * | active    | active (a worker holds its lock)      | active                                   |
 * | blocked   | waiting-children (parent of a flow)   | -                                        |
 * | completed | completed, while they are kept        | completed, until they are archived       |
 * | failed    | failed                                | failed                                   |
 */
export interface QueueSnapshot {
  engine: 'bullmq' | 'pgboss';
  /** Name of the Redis or Postgres in the configuration. */
  source: string;
  /** BullMQ's key prefix, pg-boss's schema. */
  scope: string;
  queue: string;
  waiting: number;
  active: number;
  delayed: number;
  blocked: number;
  completed: number;
  failed: number;
  /** Milliseconds since the oldest waiting job could have been taken; null when none waits. */
  oldest_waiting_ms: number | null;
  /** Null where the engine does not say (pg-boss has no pause; a right is missing). */
  paused: boolean | null;
  /** Connected workers; null where the engine does not say. */
  workers: number | null;
}
