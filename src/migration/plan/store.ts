import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { CacheOpsError } from '../../errors.js';
import { namesIn, readJson, type State, writeDurably } from '../../state/folder.js';
import type { Identity } from '../../state/identity.js';
import { claim, holderOf } from '../../state/lock.js';
import { KINDS } from '../kinds.js';

export const CONFLICT_MODES = ['newer', 'skip', 'overwrite', 'fail'] as const;
export type ConflictMode = (typeof CONFLICT_MODES)[number];

const count = z.number();

export const planSchema = z.object({
  id: z.string(),
  kind: z.enum(KINDS),
  source: z.object({
    /** As it was given, less any secret: it is read again to verify. */
    given: z.string(),
    /** What its keys begin with, where it has keys. */
    prefix: z.string(),
    description: z.string(),
    unit: z.string(),
    again: z.boolean(),
    /** What it was when it was read; null where that cannot be told. */
    fingerprint: z.nullable(z.string()),
  }),
  /** The name of the target and where it was: it must not go on anywhere else. */
  target: z.string(),
  address: z.string(),
  db: count,
  environment: z.string(),
  /** `{prefix}:{env}:` */
  prefix: z.string(),
  chat: z.nullable(z.string()),
  largest_value: count,
  made_at: z.string(),
  /** Entries that would be written; `bad` ones are listed, `past` ones have expired in the source. */
  entries: count,
  /** Entries in the plan's files: those too that another one of the same key stands for. */
  records: count,
  bad: count,
  past: count,
  /** Of the entries: what the target had at the time. */
  absent: count,
  equal: count,
  differs: count,
  other_type: count,
  /** `memory` is null where the target is a Postgres: no limit of memory is known there. */
  bytes: z.object({ values: count, memory: z.nullable(count) }),
  ttl_ms: z.object({ shortest: z.nullable(count), longest: z.nullable(count) }),
  memory: z.object({
    used_bytes: z.nullable(count),
    limit_bytes: z.nullable(count),
    /** The share of its memory that the target would use; null where it is not known. */
    ratio_after: z.nullable(count),
  }),
  example_key: z.nullable(z.string()),
  state: z.enum(['planned', 'applying', 'applied', 'rolling back', 'rolled back']),
  ended_at: z.nullable(z.string()),
});
export type Plan = z.infer<typeof planSchema>;

const root = (state: State) => state.path('migrate');

export function planFolder(state: State, id: string): string {
  return state.path('migrate', id);
}

/** Sorts by time; several a millisecond are told apart. */
export function newPlanId(kind: string, now: number): string {
  const digits = new Date(now)
    .toISOString()
    .replace(/[-:]|\.\d+Z$/g, '')
    .replace('T', '-');
  return `${digits}-${kind}-${crypto.randomUUID().slice(0, 6)}`;
}

export function storePlan(state: State, plan: Plan): void {
  writeDurably(join(planFolder(state, plan.id), 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`);
}

function readPlan(state: State, id: string): Plan | undefined {
  return planSchema.safeParse(readJson(join(planFolder(state, id), 'plan.json'))).data;
}

/** All plans, the newest first. */
export function plans(state: State): Plan[] {
  return namesIn(root(state))
    .toReversed()
    .flatMap((name) => readPlan(state, name) ?? []);
}

export function findPlan(state: State, id: string): Plan {
  const plan = /^[\w-]+$/.test(id) ? readPlan(state, id) : undefined;
  if (plan) return plan;
  const known = plans(state)
    .slice(0, 5)
    .map((one) => one.id);
  throw new CacheOpsError(
    'not_found',
    `there is no plan ${id}`,
    known.length > 0 ? `the newest are: ${known.join(', ')}` : 'make one: cache-ops migrate plan',
  );
}

export function forgetPlan(state: State, id: string): void {
  rmSync(planFolder(state, id), { recursive: true, force: true });
}

/** Makes this process the only one that works on a plan; refuses while another one does. */
export function claimPlan(state: State, id: string, self: Identity): { release(): void } {
  const claimed = claim(planFolder(state, id), self);
  if ('release' in claimed) return claimed;
  throw new CacheOpsError(
    'refused',
    `process ${claimed.holder.pid} is at work on ${id}`,
    'wait for it, or end it: it stops at the next safe point',
  );
}

/** So many plans are remembered, and a folder without one may be one that is just being made. */
const KEPT = 20;
const GRACE = 60_000;

/** Forgets old plans that are not under way, and what is left of those that were never made. */
export function prunePlans(state: State, now: number): void {
  const ended: string[] = [];
  for (const id of namesIn(root(state))) {
    const plan = readPlan(state, id);
    if (plan && plan.state !== 'applying' && plan.state !== 'rolling back') ended.push(id);
    else if (!plan && isLeft(planFolder(state, id), now)) forgetPlan(state, id);
  }
  for (const id of ended.slice(0, -KEPT))
    if (!holderOf(planFolder(state, id))) forgetPlan(state, id);
}

function isLeft(folder: string, now: number): boolean {
  const { mtimeMs } = statSync(folder, { throwIfNoEntry: false }) ?? { mtimeMs: now };
  return mtimeMs < now - GRACE && !holderOf(folder);
}
