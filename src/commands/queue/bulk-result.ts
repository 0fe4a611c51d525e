import * as z from 'zod/mini';
import { groupSchema } from '../../queues/bulk/groups.js';
import { ACTIONS, queueRef } from '../../queues/bulk/store.js';
import { RESULTS } from '../../queues/operation.js';

const names = z.object({ count: z.number(), more: z.boolean(), first: z.array(z.string()) });

/** What a dry run says. */
export const impactResult = z.object({
  action: z.enum(ACTIONS),
  what: z.string(),
  jobs: z.number(),
  queues: z.array(
    z.extend(queueRef, {
      jobs: z.number(),
      outcomes: z.array(
        z.object({
          result: z.enum(RESULTS),
          becomes: z.string(),
          jobs: z.number(),
          example: z.string(),
        }),
      ),
      parents: names,
      children: names,
      schedulers: names,
      /** Why nothing may be changed here. */
      read_only: z.nullable(z.string()),
    }),
  ),
  missing: z.array(z.string()),
  /** Ids in lists without a job, and jobs that cannot be read: they are left out. */
  unreadable: z.number(),
});
export type ImpactResult = z.infer<typeof impactResult>;

const counts = z.object(
  Object.fromEntries(RESULTS.map((result) => [result, z.number()])) as Record<
    (typeof RESULTS)[number],
    z.ZodMiniNumber
  >,
);

/** What became of an operation: the last line of NDJSON. */
export const summaryResult = z.object({
  /** Null when no job was chosen. */
  operation: z.nullable(z.string()),
  action: z.enum(ACTIONS),
  what: z.string(),
  state: z.enum(['finished', 'open']),
  queues: z.array(queueRef),
  total: z.number(),
  counts,
  /** What became of them in words. */
  groups: z.array(groupSchema),
  /** Of those raced or missing: an interrupted run had begun with them and may have done them. */
  in_doubt: z.number(),
  unreadable: z.number(),
  took_ms: z.number(),
  /** Every job that was not done is a line of this file. */
  journal: z.nullable(z.string()),
  /** The command that goes on with it; null when it is finished. */
  resume: z.nullable(z.string()),
});
export type SummaryResult = z.infer<typeof summaryResult>;
