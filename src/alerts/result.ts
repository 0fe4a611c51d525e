import * as z from 'zod/mini';
import { METRICS, type Unit } from '../health/metrics.js';
import type { Line } from './conclude.js';
import type { Evaluation } from './evaluate.js';
import { type Silence, silencing } from './silences.js';
import type { AlertState, Standing } from './state.js';

const severity = z.nullable(z.enum(['warn', 'critical']));
const maybe = z.nullable(z.number());

export const alertLine = z.object({
  rule: z.string(),
  target: z.string(),
  phase: z.enum(['inactive', 'pending', 'firing', 'resolved', 'unknown']),
  severity,
  value: maybe,
  /** Times are ms, ratios are of 1. */
  unit: z.string(),
  /** Beyond which side of the limits it is bad. */
  worse: z.nullable(z.enum(['above', 'below'])),
  warn: maybe,
  critical: maybe,
  /** ISO time since which it is in its phase. */
  since: z.nullable(z.string()),
  /** What is the case, or why it is not known. */
  summary: z.string(),
  action: z.string(),
  /** Not known yet, since it takes more than one look. */
  learning: z.boolean(),
  /** What is down and keeps this from being told. */
  inhibited_by: z.nullable(z.string()),
  /** ISO time until which somebody wants not to be told. */
  silenced_until: z.nullable(z.string()),
});
export type AlertLine = z.infer<typeof alertLine>;

export const checkResult = z.object({
  /** The worst that fires; `unknown` where nothing fires and a value that should be there is not. */
  status: z.enum(['ok', 'unknown', 'warn', 'critical']),
  estate: z.string(),
  environment: z.string(),
  at: z.iso.datetime(),
  took_ms: z.number(),
  counts: z.object({
    firing: z.number(),
    pending: z.number(),
    unknown: z.number(),
    learning: z.number(),
    /** Unknown because something is down, which is an alert of its own. */
    inhibited: z.number(),
    inactive: z.number(),
  }),
  alerts: z.array(alertLine),
  /** What is wrong with the configuration of alerts; the rest has been judged. */
  problems: z.array(z.object({ path: z.string(), message: z.string() })),
  /** Whether the state was kept, or another process keeps it. */
  kept: z.boolean(),
  /** With --notify: messages times sinks that were delivered, and that still wait on disk. */
  told: z.nullable(z.object({ delivered: z.number(), waiting: z.number() })),
});
export type CheckResult = z.infer<typeof checkResult>;

const ORDER = ['firing', 'pending', 'unknown', 'resolved', 'inactive'];

/** Every rule on every target, what fires first. */
export function alertLines(
  { lines }: Pick<Evaluation, 'lines'>,
  state: AlertState,
  silences: readonly Silence[],
): AlertLine[] {
  const seen = new Set(lines.flatMap(({ standing }) => standing?.fingerprint ?? []));
  const hidden = Object.values(state.standings).filter(({ fingerprint }) => !seen.has(fingerprint));
  const all = [
    ...lines.map((line) => lineOf(line, silences)),
    ...hidden.map((standing) => ({
      ...standingPart(standing, silences),
      unit: '',
      worse: null,
      warn: null,
      critical: null,
    })),
  ];
  return all.sort(
    (a, b) =>
      ORDER.indexOf(a.phase) - ORDER.indexOf(b.phase) ||
      Number(b.severity === 'critical') - Number(a.severity === 'critical'),
  );
}

function lineOf({ rule, subject, judgement, standing }: Line, silences: readonly Silence[]) {
  const unit: Unit = rule.metric ? METRICS[rule.metric].unit : 'flag';
  const { worse = null, warn = null, critical = null } = rule.bounds ?? {};
  const limits = { unit, worse, warn, critical };
  if (standing) return { ...standingPart(standing, silences), ...limits };
  const { value, summary } = judgement;
  return {
    rule: rule.name,
    target: subject.name,
    phase: 'inactive' as const,
    severity: null,
    value,
    ...limits,
    since: null,
    summary,
    action: rule.action,
    learning: false,
    inhibited_by: null,
    silenced_until: null,
  };
}

function standingPart(standing: Standing, silences: readonly Silence[]) {
  const { rule, target, phase, severity: level, value, since, summary, action } = standing;
  const missing = standing.unknown !== null && phase !== 'unknown';
  return {
    rule,
    target,
    phase,
    severity: level,
    value: standing.unknown === null ? value : null,
    since: new Date(since).toISOString(),
    summary: missing ? `${summary} (now unknown: ${standing.unknown})` : summary,
    action,
    learning: standing.learning,
    inhibited_by: standing.inhibited_by,
    silenced_until: silencing(silences, standing)?.until ?? null,
  };
}

/** A value that should be there and is not, whatever else is the case. */
export function isUnknown({ phase, learning, inhibited_by }: AlertLine): boolean {
  return phase === 'unknown' && !learning && inhibited_by === null;
}

export function countsOf(lines: readonly AlertLine[]): CheckResult['counts'] {
  const count = (fits: (line: AlertLine) => boolean) => lines.filter(fits).length;
  return {
    firing: count(({ phase }) => phase === 'firing'),
    pending: count(({ phase }) => phase === 'pending'),
    unknown: count(isUnknown),
    learning: count(({ phase, learning }) => phase === 'unknown' && learning),
    inhibited: count((line) => line.phase === 'unknown' && !line.learning && !isUnknown(line)),
    inactive: count(({ phase }) => phase === 'inactive' || phase === 'resolved'),
  };
}

/** The worst that fires. */
export function statusOf(lines: readonly AlertLine[]): CheckResult['status'] {
  const firing = lines.filter(({ phase }) => phase === 'firing');
  if (firing.some((line) => line.severity === 'critical')) return 'critical';
  if (firing.length > 0) return 'warn';
  return countsOf(lines).unknown > 0 ? 'unknown' : 'ok';
}
