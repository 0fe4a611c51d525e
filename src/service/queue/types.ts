import type { Json } from '../cache/types.js';

export const JOB_STATES = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** How far a job is: per cent, and a message. */
export interface JobProgress {
  percent: number;
  message?: string | undefined;
}

/** A job as it stands. */
export interface JobView {
  id: string;
  data: Json;
  state: JobState;
  progress: JobProgress;
  /** How often it was begun. */
  attempts: number;
  result?: Json;
  /** Why it failed the last time. */
  error?: string;
}

/** What a handler gets. */
export interface JobCall {
  id: string;
  data: Json;
  /** This attempt, from 1, of `attempts`. */
  attempt: number;
  attempts: number;
  /** Aborted when the job was cancelled, or the queue is being closed. */
  signal: AbortSignal;
  /** Stores how far it is; rejects when the job was cancelled. */
  progress(progress: JobProgress): Promise<void>;
}

/** What it returns is the job's result; what it throws fails the attempt. */
export type Handler = (call: JobCall) => Promise<Json | undefined>;

export interface PushOptions {
  /**
   * An id of the caller's: pushing it again while the job is kept does nothing. 1 to 128 letters, digits, `-`
   * and `_`, of which one is no digit (BullMQ refuses numbers).
   */
  id?: string;
  /** Milliseconds before it may begin. */
  delayMs?: number;
  /** From 0 (the default) to 1,000: the highest is first. */
  priority?: number;
}

/** Throws RangeError for what one of the engines would refuse: then all of them do. */
export function checkPush({ id, delayMs = 0, priority = 0 }: PushOptions): void {
  if (id !== undefined && !/^(?=.*[A-Za-z_-])[A-Za-z0-9_-]{1,128}$/.test(id))
    throw new RangeError('id: expected 1 to 128 letters, digits, - or _, of which one is no digit');
  if (!Number.isInteger(delayMs) || delayMs < 0)
    throw new RangeError('delay: expected whole milliseconds');
  if (!Number.isInteger(priority) || priority < 0 || priority > 1_000)
    throw new RangeError('priority: expected 0 to 1,000');
}

/**
 * A queue as applications see it, whatever keeps its jobs. A job whose worker dies is begun again: what must
 * not happen twice is to be guarded by who does it, as batches are by their fence.
 */
export interface JobQueue {
  readonly engine: 'memory' | 'redis' | 'pgboss';
  /** Stores a job; returns its id. Throws RangeError for options that cannot be. */
  push(data: Json, options?: PushOptions): Promise<string>;
  /** Begins to take jobs, up to `concurrency` at a time (default 1). At most one handler a queue object. */
  process(handler: Handler, options?: { concurrency?: number }): Promise<void>;
  /** Undefined when there is no such job, or no more. */
  get(id: string): Promise<JobView | undefined>;
  /**
   * Ends a job that has not ended; false when it has. One that runs in this process is told by its signal,
   * one elsewhere at its next progress.
   */
  cancel(id: string): Promise<boolean>;
  /** A failed job is done anew; false when it has not failed. */
  retry(id: string): Promise<boolean>;
  /** Removes ended jobs older than 24 h, but the newest 100 completed and 50 failed; returns how many. */
  cleanUp(): Promise<number>;
  /** Takes no more jobs and waits for those under way, up to `graceMs`; then their signal is aborted. */
  close(graceMs?: number): Promise<void>;
}

/** The job was cancelled while it ran. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
  constructor() {
    super('cancelled');
  }
}

/** Attempts a job gets, and the pause before the second in milliseconds; it doubles. */
export const ATTEMPTS = 3;
export const BACKOFF_MS = 2_000;
/** What clean-up keeps. */
export const KEEP = { ms: 24 * 3_600_000, completed: 100, failed: 50 } as const;

/** `asl:title-screening` as both engines take it: BullMQ and pg-boss refuse colons. */
export function engineName(name: string): string {
  return name.replaceAll(':', '-');
}
