import { join } from 'node:path';
import * as z from 'zod/mini';
import { prune } from '../../state/changes.js';
import { namesIn, readJson, type State, writeDurably } from '../../state/folder.js';
import { RESULTS } from '../operation.js';

export const queueRef = z.object({
  engine: z.enum(['bullmq', 'pgboss']),
  source: z.string(),
  scope: z.string(),
  queue: z.string(),
});

export const ACTIONS = ['retry', 'cancel', 'rm', 'promote', 'redrive', 'clean'] as const;
export type Action = (typeof ACTIONS)[number];

/** How many of each result; those that did not occur are left out. */
export const countsSchema = z.partialRecord(z.enum(RESULTS), z.number());
export type Counts = z.infer<typeof countsSchema>;

const recordSchema = z.object({
  id: z.string(),
  action: z.enum(ACTIONS),
  operation: z.union([
    z.object({ type: z.enum(['retry', 'cancel', 'promote', 'redrive']) }),
    z.object({ type: z.literal('remove'), cascade: z.boolean() }),
  ]),
  /** Which jobs, in words. */
  what: z.string(),
  /** The chosen jobs name their queue by its place in here. */
  queues: z.array(queueRef),
  /** How many jobs of each queue were chosen. */
  chosen: z.array(z.number()),
  /** Where each source of the configuration was: the operation must not go on anywhere else. */
  addresses: z.record(z.string(), z.string()),
  environment: z.string(),
  /** Chosen jobs; besides them, ids that were in no queue, and what could not be read. */
  total: z.number(),
  missing: z.array(z.string()),
  unreadable: z.number(),
  /** Jobs a second; it holds for a resumed run too. */
  rate: z.nullable(z.number()),
  began_at: z.string(),
  ended_at: z.nullable(z.string()),
  counts: countsSchema,
});
/** An operation on many jobs. It is open until every chosen job has a result. */
export type OperationRecord = z.infer<typeof recordSchema>;

export function operationFolder(state: State, id: string): string {
  return state.path('queues', 'bulk', id);
}

export function storeRecord(state: State, record: OperationRecord): void {
  const file = join(operationFolder(state, record.id), 'operation.json');
  writeDurably(file, `${JSON.stringify(record, null, 2)}\n`);
}

export function readRecord(state: State, id: string): OperationRecord | undefined {
  return recordSchema.safeParse(readJson(join(operationFolder(state, id), 'operation.json'))).data;
}

/** Every operation that is remembered, the newest first. */
export function allRecords(state: State): OperationRecord[] {
  return namesIn(state.path('queues', 'bulk'))
    .toReversed()
    .flatMap((id) => readRecord(state, id) ?? []);
}

/** Forgets old finished operations, and those whose process died while it was still choosing. */
export function pruneOperations(state: State, now: number): void {
  prune(state.path('queues', 'bulk'), (id) => readRecord(state, id), now);
}
