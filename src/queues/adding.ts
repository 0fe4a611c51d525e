/** A job from elsewhere that is to be in a queue under its own id. */
export interface NewJob {
  queue: string;
  id: string;
  name: string;
  /** JSON. */
  data: string;
  /** As the engine has it; 0 for none. */
  priority: number;
  /** Milliseconds from now on that it is to wait; 0 for none. */
  delay: number;
}

/** added; there: the queue has a job of this id; no_queue: pg-boss has no queue of this name. */
export type Added = 'added' | 'there' | 'no_queue';
/** removed; started: a worker has had it; gone: it is not there any more. */
export type TakenBack = 'removed' | 'started' | 'gone';

/**
 * Adds jobs to the queues of one Redis or Postgres. Answers are in the order of the jobs, of which one
 * call takes 500 at most; each is decided in one step on the server.
 */
export interface JobAdder {
  /** How the engine names it: pg-boss has UUIDs only. */
  idOf(job: Pick<NewJob, 'queue' | 'id'>): string;
  has(jobs: readonly NewJob[]): Promise<boolean[]>;
  add(jobs: readonly NewJob[]): Promise<Added[]>;
  /** Removes what still waits and no worker has had. */
  takeBack(jobs: readonly NewJob[]): Promise<TakenBack[]>;
  /** What a job takes of the memory of a Redis, in bytes; null: Postgres has no such limit. */
  readonly footprint: ((job: NewJob) => number) | null;
  close(): Promise<void>;
}
