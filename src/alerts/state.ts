import { existsSync } from 'node:fs';
import * as z from 'zod/mini';
import { CacheOpsError } from '../errors.js';
import { WAYS } from '../queues/bullmq/scripts.js';
import { readJson, type State, writeDurably } from '../state/folder.js';
import type { Notification } from './notification.js';

const time = z.number().check(z.describe('milliseconds since 1970'));
const maybe = z.nullable(time);
const severity = z.enum(['warn', 'critical']);

/** A rule and a target that is not simply well. */
const standing = z.object({
  fingerprint: z.string(),
  rule: z.string(),
  target: z.string(),
  group: z.string(),
  /** `unknown` without having been anything else: a pending or firing one stays that. */
  phase: z.enum(['pending', 'firing', 'resolved', 'unknown']),
  /** Since when it is in its phase. */
  since: time,
  severity: z.nullable(severity),
  /** What it was when it was last measured: it decides what counts as good again. */
  level: z.nullable(severity),
  bad_since: maybe,
  critical_since: maybe,
  good_since: maybe,
  started_at: maybe,
  ended_at: maybe,
  value: z.nullable(z.number()),
  summary: z.string(),
  action: z.string(),
  /** Why its value could not be had this time. */
  unknown: z.nullable(z.string()),
  /** The value takes more than one look, which is no fault. */
  learning: z.boolean(),
  inhibited_by: z.nullable(z.string()),
});
export type Standing = z.infer<typeof standing>;

/** An alert that has been told, as it was. */
const told = z.object({
  rule: z.string(),
  target: z.string(),
  severity,
  started_at: time,
  summary: z.string(),
  action: z.string(),
  value: z.nullable(z.number()),
  /** Over since then, which is still to be told. */
  ended: z.nullable(z.object({ at: time, summary: z.string(), value: z.nullable(z.number()) })),
});

const group = z.object({
  told: z.record(z.string(), told),
  /** Since when there is something to tell. */
  waiting_since: maybe,
  /** When what fires was last told. */
  told_at: maybe,
});
export type Group = z.infer<typeof group>;

const counters = z.object({
  at: time,
  ticks: z.nullable(z.number()),
  run_id: z.nullable(z.string()),
  uptime_s: z.nullable(z.number()),
  values: z.record(z.string(), z.number()),
});
export type Counters = z.infer<typeof counters>;

/** Bytes a day by the trend of the last hour; 0 where it does not grow, null where that is not known yet. */
const trend = z.object({ at: time, per_day: z.nullable(z.number()) });

const stateSchema = z.object({
  version: z.literal(1),
  /** The last evaluation: when, by a clock that nobody sets, and which start of the machine that counts from. */
  at: maybe,
  ticks: z.nullable(z.number()),
  boot: z.nullable(z.string()),
  standings: z.record(z.string(), standing),
  groups: z.record(z.string(), group),
  counters: z.record(z.string(), counters),
  trends: z.record(z.string(), trend),
  /** Finished jobs that are kept, by queue: pairs of time and number, the oldest first. */
  retained: z.record(z.string(), z.array(z.tuple([time, z.number()]))),
  queues: z.record(
    z.string(),
    z.object({
      at: time,
      queues: z.array(z.object({ scope: z.string(), queue: z.string() })),
      scripts: z.optional(z.enum(WAYS)),
    }),
  ),
  /** Made, and perhaps not yet handed over for delivery: after a crash they are once more. */
  outgoing: z.array(z.custom<Notification>((value) => typeof value === 'object' && value !== null)),
});
/** What is kept from one evaluation to the next. Times are in ms since 1970. */
export type AlertState = z.infer<typeof stateSchema>;

export function emptyState(): AlertState {
  return {
    version: 1,
    at: null,
    ticks: null,
    boot: null,
    standings: {},
    groups: {},
    counters: {},
    trends: {},
    retained: {},
    queues: {},
    outgoing: [],
  };
}

/**
 * The state that an earlier run has left; an empty one where there is none. One that cannot be read is
 * an error rather than empty: everything would be told again, and what has ended never.
 */
export function loadState(folder: Pick<State, 'path'>): AlertState {
  const file = folder.path('state.json');
  const raw = readJson(file);
  if (raw === undefined && !existsSync(file)) return emptyState();
  const { data } = stateSchema.safeParse(raw);
  if (data) return data;
  const { version = 1 } = (raw ?? {}) as { version?: unknown };
  throw new CacheOpsError(
    'state',
    `${file} ${version === 1 ? 'is damaged' : `is of version ${String(version)}, and this cache-ops knows 1`}`,
    'use the newer cache-ops, or remove the file: what fires is then told once more',
  );
}

/** On disk when it returns. */
export function saveState(folder: Pick<State, 'path'>, state: AlertState): void {
  writeDurably(folder.path('state.json'), `${JSON.stringify(state)}\n`);
}
