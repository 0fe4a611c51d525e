import type { QueueRef } from './queue.js';

/** What is done to a job. Every one is guarded: a job that no longer fits is left alone and reported. */
export type Operation =
  | { type: 'retry' }
  | { type: 'cancel' }
  /** `cascade`: also where the parent of a flow would be deleted or released. */
  | { type: 'remove'; cascade: boolean }
  | { type: 'promote' }
  /** A dead letter goes back to the queue it came from. */
  | { type: 'redrive' };

/**
 * What became of one job.
 * done: as asked; fenced: active, its result will be refused, its worker may still run; raced: somebody
 * else moved it first, or it failed anew; locked: a worker holds it; conflict: a rule of the queue
 * forbids it (a unique key, a policy, a flow's parent without --cascade); scheduled: a scheduler owns it;
 * missing: there is no such job.
 */
export const RESULTS = [
  'done',
  'fenced',
  'raced',
  'locked',
  'conflict',
  'scheduled',
  'missing',
] as const;
export type Result = (typeof RESULTS)[number];

/** A job to be worked on, as it was when it was chosen (`Job.seen`; empty: whatever it looks like). */
export interface Chosen {
  id: string;
  seen: string;
}

export interface Outcome extends QueueRef {
  id: string;
  result: Result;
  /** In words, what became of it or what stands against it. */
  detail: string;
}

/** What an operation would do to one job, and whom it would touch besides. */
export interface Impact {
  id: string;
  /** What it would be reported as if it were done now. */
  result: Result;
  /** `waiting, priority 3`; `removed`; `its parent mail:7 would be released`. */
  becomes: string;
  parents: string[];
  children: string[];
  scheduler: string | null;
}
