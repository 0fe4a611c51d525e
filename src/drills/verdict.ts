import type { Sample } from './observer.js';

/** When what happened, in ms since the drill began; undefined when it never did. */
export interface Marks {
  injected?: number | undefined;
  restoring?: number | undefined;
  restored?: number | undefined;
  end: number;
}

export interface Expectations {
  applications: readonly string[];
  /** Limits in ms for degrading and recovering. */
  maxDegrade: number;
  maxRecover: number;
  /** What is right while the fault lasts: memory mode, any mode that serves, or redis mode as before. */
  degraded: 'memory' | 'either' | 'redis';
  /** Whether the target must be seen not to answer. */
  outage: boolean;
  /** How often an application may change its mode. */
  changes: number;
  /** Share of requests that must be answered rightly, 0 to 1. */
  minAvailability: number;
}

/** What the drill measured of one application. Times in ms; null when it never came to that. */
export interface Measured {
  application: string;
  degrade_ms: number | null;
  recover_ms: number | null;
  transitions: number;
  requests: number;
  failed: number;
  /** Share of requests that were answered rightly, 0 to 1. */
  availability: number;
  /** Reads around a change of mode that did not find what was written just before it. */
  missed_in_transition: number;
  worst_ms: number;
}

export interface Verdict {
  passed: boolean;
  reasons: string[];
  applications: Measured[];
  /** How long the target itself did not answer, measured by direct pings; null when it always did. */
  outage_ms: number | null;
}

/**
 * Judges the samples: health alone is not believed. An application passes when it went redis >
 * memory > redis exactly once, in time, and every request was answered rightly all along. Where it
 * may go on in redis mode it need not have left it.
 */
export function judge(samples: readonly Sample[], marks: Marks, expected: Expectations): Verdict {
  const results = expected.applications.map((name) =>
    judgeOne(
      name,
      samples.filter(({ of }) => of === name),
      marks,
      expected,
    ),
  );
  const outage = outageOf(samples);
  const reasons = results.flatMap(({ reasons }) => reasons);
  if (expected.outage && marks.injected !== undefined && outage === null)
    reasons.unshift(
      'the target answered all along: it was not broken, or something else mended it at once',
    );
  return {
    passed: reasons.length === 0,
    reasons,
    applications: results.map(({ measured }) => measured),
    outage_ms: outage,
  };
}

function judgeOne(name: string, samples: Sample[], marks: Marks, expected: Expectations) {
  const health = samples.filter(
    ({ kind, mode }) => kind === 'health' && mode !== undefined && mode !== 'unknown',
  );
  const changes = health.filter(
    (sample, index) => index > 0 && sample.mode !== health[index - 1]?.mode,
  );
  const { injected = marks.end, restoring = marks.end, restored } = marks;
  const memoryAt = health.find(({ at, mode }) => at >= injected && mode === 'memory')?.at;
  const redisAt =
    restored === undefined
      ? undefined
      : health.find(({ at, mode }) => at >= restored && mode === 'redis')?.at;
  // Around a change of mode a value may have been written to the one side and be looked for on the other.
  const nearChange = ({ at, ms }: Sample) =>
    [injected, ...changes.map((change) => change.at)].some(
      (moment) => at - ms - GRACE <= moment && moment <= at + GRACE,
    );
  const missed = samples.filter(
    (sample) => !sample.ok && sample.kind === 'read' && sample.status === 404 && nearChange(sample),
  );
  const failures = samples.filter((sample) => !sample.ok && !missed.includes(sample));
  const measured: Measured = {
    application: name,
    degrade_ms: memoryAt === undefined ? null : Math.round(memoryAt - injected),
    recover_ms:
      redisAt === undefined || restored === undefined ? null : Math.round(redisAt - restored),
    transitions: changes.length,
    requests: samples.length,
    failed: failures.length,
    availability: samples.length === 0 ? 0 : (samples.length - failures.length) / samples.length,
    missed_in_transition: missed.length,
    worst_ms: Math.round(Math.max(0, ...samples.map(({ ms }) => ms))),
  };
  return {
    measured,
    reasons: reasonsOf(measured, failures, { settledFrom: memoryAt, restoring }, samples, expected),
  };
}

/** Two polls: what a health answer says may be that old. */
const GRACE = 250;

function reasonsOf(
  measured: Measured,
  failures: Sample[],
  { settledFrom, restoring }: { settledFrom: number | undefined; restoring: number },
  samples: Sample[],
  { maxDegrade, maxRecover, degraded, changes, minAvailability }: Expectations,
): string[] {
  const { application, degrade_ms, recover_ms, transitions } = measured;
  const reasons: string[] = [];
  const say = (text: string) => reasons.push(`${application}: ${text}`);
  if (degrade_ms === null) {
    if (degraded === 'memory') say('never reported memory mode');
  } else if (degraded === 'redis') say('left redis mode, though Redis was there all along');
  else if (degrade_ms > maxDegrade)
    say(`took ${degrade_ms} ms to report memory mode, more than ${maxDegrade} ms`);
  if (settledFrom !== undefined) {
    const served = samples.filter(
      ({ at, ms, kind }) =>
        (kind === 'write' || kind === 'read') && at - ms >= settledFrom && at <= restoring,
    );
    const broken = served.filter(({ ok }) => !ok);
    // One that need not have left redis mode may leave it in the last moment.
    if (served.length === 0 && degraded === 'memory')
      say('no write or read was answered while it reported memory mode');
    else if (broken.length > 0 && broken.length > served.length * (1 - minAvailability))
      say(
        `reports memory mode but does not serve from it: ${broken.length} of ${served.length} writes and reads failed (${firstError(broken)})`,
      );
  }
  if (recover_ms === null) say('did not return to redis mode');
  else if (recover_ms > maxRecover)
    say(`took ${recover_ms} ms to return to redis mode, more than ${maxRecover} ms`);
  if (transitions > changes)
    say(`changed its mode ${transitions} times where ${changes} are expected: it flaps`);
  if (
    measured.availability < minAvailability &&
    !reasons.some((reason) => reason.includes('does not serve'))
  ) {
    const least = minAvailability < 1 ? `, more than ${allowed(minAvailability)} %` : '';
    say(
      `${failures.length} of ${measured.requests} requests failed${least} (${firstError(failures)})`,
    );
  }
  return reasons;
}

/** Percent that may fail, without the digits that subtraction adds. */
function allowed(minAvailability: number): number {
  return Number(((1 - minAvailability) * 100).toFixed(6));
}

function firstError(samples: Sample[]): string {
  const [first] = samples;
  return first ? `${first.kind}: ${first.error ?? `answered ${first.status}`}` : '';
}

/** From the last answer before the first silence to the first answer after it. */
function outageOf(samples: readonly Sample[]): number | null {
  const pings = samples.filter(({ kind }) => kind === 'ping');
  const first = pings.findIndex(({ ok }) => !ok);
  if (first < 0) return null;
  const back = pings.find(({ ok }, index) => index > first && ok);
  const from = pings[Math.max(first - 1, 0)]?.at ?? 0;
  return Math.round((back?.at ?? pings.at(-1)?.at ?? from) - from);
}
