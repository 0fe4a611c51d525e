import * as z from 'zod/mini';
import type { Job } from '../../queues/job.js';
import { JOB_STATES } from '../../queues/queue.js';
import type { Source } from './estate.js';

/** Which queue, in every result. */
export const queueRef = z.object({
  engine: z.enum(['bullmq', 'pgboss']),
  source: z.string(),
  scope: z.string(),
  queue: z.string(),
});

export const sourceResult = z.object({
  engine: z.enum(['bullmq', 'pgboss']),
  source: z.string(),
  address: z.string(),
  /** Why its queues could not be read. */
  problem: z.nullable(z.string()),
  found_at: z.nullable(z.string()),
  /** The queues were known from an earlier command, and looked at again. */
  remembered: z.boolean(),
});

export function toSource(
  { engine, source, address, found }: Source,
  problem: string | null,
): z.infer<typeof sourceResult> {
  const found_at = iso(found?.found_at ?? null);
  return { engine, source, address, problem, found_at, remembered: found?.remembered ?? false };
}

/** Why a source, or one queue of it, is not in the answer. */
export const problemResult = z.extend(queueRef, {
  scope: z.nullable(z.string()),
  queue: z.nullable(z.string()),
  problem: z.string(),
});
export type Problem = z.infer<typeof problemResult>;

const time = z.nullable(z.string());

/** A job as a list has it; `data` is whatever the application put there. */
export const jobResult = z.extend(queueRef, {
  id: z.string(),
  name: z.nullable(z.string()),
  state: z.enum(JOB_STATES),
  priority: z.number(),
  attempts_made: z.number(),
  attempts_max: z.nullable(z.number()),
  created_at: time,
  due_at: time,
  started_at: time,
  finished_at: time,
  error: z.nullable(z.string()),
  data: z.unknown(),
  problem: z.nullable(z.enum(['ghost', 'corrupt'])),
});
export type JobResult = z.infer<typeof jobResult>;

/** With ISO times, and without what only operations need. */
export function toJobResult({ seen: _, ...job }: Job): JobResult {
  return {
    ...job,
    data: job.data ?? null,
    created_at: iso(job.created_at),
    due_at: iso(job.due_at),
    started_at: iso(job.started_at),
    finished_at: iso(job.finished_at),
  };
}

/** Null for null, and for a number that is no time: a corrupt job may have any. */
export function iso(ms: number | null): string | null {
  if (ms === null) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
