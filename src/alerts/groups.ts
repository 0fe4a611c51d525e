import { createHash } from 'node:crypto';
import type { Severity } from '../health/rule.js';
import type { Alert, Notification } from './notification.js';
import type { AlertState, Group, Standing } from './state.js';

export interface Telling {
  /** Milliseconds since 1970. */
  now: number;
  estate: string;
  environment: string;
  /** Milliseconds. */
  groupWait: number;
  repeat: number;
  /** Whether somebody wants to hear nothing of it for a while. */
  isSilenced(standing: Standing): boolean;
}

/**
 * What is to be told now, a group at a time, and notes in the state that it has been. What fires is told
 * when it has waited for others of its group, again when it becomes critical, and after `repeat`; what has
 * been told is told to be over, once. What comes and goes within the wait is not told at all.
 */
export function tell(state: AlertState, telling: Telling): Notification[] {
  const standings = Object.values(state.standings);
  const names = new Set([...standings.map(({ group }) => group), ...Object.keys(state.groups)]);
  const notifications: Notification[] = [];
  for (const name of [...names].sort()) {
    const group = state.groups[name] ?? { told: {}, waiting_since: null, told_at: null };
    noteEnds(group, state.standings, telling.now);
    const firing = standings.filter(
      (standing) => standing.group === name && standing.phase === 'firing',
    );
    notifications.push(...tellGroup(name, group, firing, telling));
    if (Object.keys(group.told).length > 0 || group.waiting_since !== null)
      state.groups[name] = group;
    else delete state.groups[name];
  }
  return notifications;
}

function tellGroup(
  name: string,
  group: Group,
  firing: readonly Standing[],
  telling: Telling,
): Notification[] {
  const { now, groupWait, repeat } = telling;
  const wanted = firing.filter(
    (standing) => standing.inhibited_by === null && !telling.isSilenced(standing),
  );
  const fresh = wanted.filter(({ fingerprint, severity }) => {
    const told = group.told[fingerprint];
    return !told || (severity === 'critical' && told.severity === 'warn');
  });
  const over = Object.entries(group.told).filter(([, { ended }]) => ended !== null);
  if (fresh.length === 0 && over.length === 0) {
    group.waiting_since = null;
    if (Object.keys(group.told).length === 0 || now - (group.told_at ?? now) < repeat) return [];
    if (wanted.length === 0) return [];
    group.told_at = now;
    return [notification('repeat', name, wanted.map(alertOf), telling)];
  }
  group.waiting_since = Math.min(group.waiting_since ?? now, now);
  if (now - group.waiting_since < groupWait) return [];
  group.waiting_since = null;
  const told: Notification[] = [];
  if (fresh.length > 0) {
    group.told_at = now;
    for (const standing of fresh) group.told[standing.fingerprint] = toldOf(standing);
    told.push(notification('firing', name, fresh.map(alertOf), telling));
  }
  if (over.length > 0) {
    for (const [fingerprint] of over) delete group.told[fingerprint];
    const alerts = over.map(([fingerprint, each]) => endOf(fingerprint, each));
    told.push(notification('resolved', name, alerts, telling));
  }
  return told;
}

/** When what was told is to be told next because of a wait, in ms since 1970. */
export function nextTelling(state: AlertState, groupWait: number): number | null {
  const due = Object.values(state.groups).flatMap(({ waiting_since }) =>
    waiting_since === null ? [] : waiting_since + groupWait,
  );
  return due.length > 0 ? Math.min(...due) : null;
}

/** What was told and does not fire any more; one that fires again before that was told never ended. */
export function noteEnds({ told }: Group, standings: AlertState['standings'], now: number): void {
  for (const [fingerprint, alert] of Object.entries(told)) {
    const standing = standings[fingerprint];
    if (standing?.phase === 'firing') alert.ended = null;
    else if (alert.ended === null) {
      const resolved = standing?.phase === 'resolved' ? standing : undefined;
      alert.ended = {
        at: resolved?.ended_at ?? now,
        summary: resolved?.summary ?? 'no longer watched',
        value: resolved?.value ?? null,
      };
    }
  }
}

function toldOf(standing: Standing): Group['told'][string] {
  const { rule, target, summary, action, value, severity, started_at, since } = standing;
  return {
    rule,
    target,
    severity: severity ?? 'warn',
    started_at: started_at ?? since,
    summary,
    action,
    value,
    ended: null,
  };
}

/** A firing standing as people are told of it. */
export function alertOf(standing: Standing): Alert {
  const { fingerprint, rule, target, summary, action, value, severity, started_at, since } =
    standing;
  return {
    fingerprint,
    rule,
    target,
    severity: severity ?? 'warn',
    state: 'firing',
    startedAt: new Date(started_at ?? since).toISOString(),
    value,
    summary: standing.unknown === null ? summary : `${summary} (now unknown: ${standing.unknown})`,
    action,
  };
}

function endOf(fingerprint: string, told: Group['told'][string]): Alert {
  const { rule, target, severity, action, started_at, ended } = told;
  return {
    fingerprint,
    rule,
    target,
    severity,
    state: 'resolved',
    startedAt: new Date(started_at).toISOString(),
    endedAt: new Date(ended?.at ?? started_at).toISOString(),
    value: ended?.value ?? null,
    summary: ended?.summary ?? '',
    action,
  };
}

function notification(
  kind: Notification['kind'],
  group: string,
  alerts: Alert[],
  { now, estate, environment }: Telling,
): Notification {
  const at = new Date(now).toISOString();
  const order: Severity[] = ['critical', 'warn'];
  alerts.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  const parts = [estate, environment, kind, group, at, ...alerts.map((alert) => alert.fingerprint)];
  const id = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
  return { id, kind, at, estate, environment, group, alerts };
}
