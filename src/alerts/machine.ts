import type { Severity } from '../health/rule.js';
import type { Judgement } from './judgement.js';
import type { RuleInForce } from './rules.js';
import type { Standing } from './state.js';
import type { Subject } from './subject.js';

/**
 * inactive -> pending -> firing -> resolved -> inactive. Pure; `now` in ms since 1970. Undefined is inactive.
 *
 * Bad for as long as `for`: it fires; good for as long as `keep`: it is resolved. A value between `clear`
 * and the limit is neither: it begins nothing and ends nothing. One that is unknown changes nothing either,
 * and is `unknown` where nothing was the case before: silence is not health.
 */
export function advance(
  before: Standing | undefined,
  rule: Pick<RuleInForce, 'name' | 'for' | 'keep' | 'action'>,
  subject: Pick<Subject, 'name' | 'group'>,
  judgement: Judgement,
  now: number,
): Standing | undefined {
  if (!judgement.applies) return eased(before, rule, null, now);
  const { value, summary, severity, held, learning = false } = judgement;
  if (value === null) {
    if (before && (before.phase === 'pending' || before.phase === 'firing'))
      return { ...before, good_since: null, unknown: summary, learning };
    const since = before?.phase === 'unknown' ? before.since : now;
    return {
      ...fresh(rule, subject, now),
      phase: 'unknown',
      since,
      summary,
      unknown: summary,
      learning,
    };
  }
  const known = { value, summary, action: rule.action, unknown: null, learning: false };
  if (severity === null)
    return eased(before && { ...before, ...known, level: null }, rule, value, now);
  const active = before?.phase === 'pending' || before?.phase === 'firing' ? before : undefined;
  const standing = { ...(active ?? fresh(rule, subject, now)), ...known, level: severity };
  standing.good_since = null;
  standing.bad_since = Math.min(standing.bad_since ?? now, now);
  standing.critical_since =
    severity === 'critical' ? Math.min(standing.critical_since ?? now, now) : null;
  return raised(standing, severity, held, rule, now);
}

/** Pending becomes firing, warn becomes critical, when it has lasted. */
function raised(
  standing: Standing,
  severity: Severity,
  held: boolean,
  rule: Pick<RuleInForce, 'for'>,
  now: number,
): Standing {
  const lasted = (since: number | null) => since !== null && now - since >= rule.for;
  if (standing.phase !== 'firing') {
    if (held || !lasted(standing.bad_since)) return { ...standing, phase: 'pending', severity };
    const started = { phase: 'firing' as const, since: now, started_at: now, ended_at: null };
    // Critical only now and then is a warning.
    const level = severity === 'critical' && !lasted(standing.critical_since) ? 'warn' : severity;
    return { ...standing, ...started, severity: level };
  }
  const worse = severity === 'critical' && lasted(standing.critical_since);
  const same = severity === standing.severity;
  if (severity === 'critical')
    return { ...standing, severity: worse || same ? 'critical' : 'warn' };
  return { ...standing, severity };
}

/** Good, or not to be judged at all. */
function eased(
  before: Standing | undefined,
  rule: Pick<RuleInForce, 'keep'>,
  value: number | null,
  now: number,
): Standing | undefined {
  if (before?.phase !== 'firing') return undefined;
  const good_since = Math.min(before.good_since ?? now, now);
  const standing = { ...before, value, good_since, critical_since: null, unknown: null };
  if (now - good_since < rule.keep) return standing;
  // What was the case says nothing of now where there is no value to say it.
  const summary = value === null ? `does not apply any more (${before.summary})` : before.summary;
  return { ...standing, summary, phase: 'resolved', since: now, ended_at: now };
}

function fresh(
  rule: Pick<RuleInForce, 'name' | 'action'>,
  { name: target, group }: Pick<Subject, 'name' | 'group'>,
  now: number,
): Standing {
  return {
    fingerprint: `${rule.name} ${target}`,
    rule: rule.name,
    target,
    group,
    phase: 'pending',
    since: now,
    severity: null,
    level: null,
    bad_since: null,
    critical_since: null,
    good_since: null,
    started_at: null,
    ended_at: null,
    value: null,
    summary: '',
    action: rule.action,
    unknown: null,
    learning: false,
    inhibited_by: null,
  };
}
