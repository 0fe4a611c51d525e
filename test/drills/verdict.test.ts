import { expect, it } from 'vitest';
import type { Sample } from '../../src/drills/observer.js';
import { judge } from '../../src/drills/verdict.js';

const expected = {
  applications: ['app'],
  maxDegrade: 1_000,
  maxRecover: 1_000,
  degraded: 'memory' as const,
  outage: true,
  changes: 2,
  minAvailability: 1,
};
const marks = { injected: 1_000, restoring: 3_000, restored: 3_100, end: 5_000 };

/** A good run, one sample of each kind every 100 ms; `change` spoils it. */
function run(change: (sample: Sample) => Sample = (sample) => sample): Sample[] {
  const samples: Sample[] = [];
  for (let at = 0; at <= marks.end; at += 100) {
    const mode = at >= 1_100 && at < 3_200 ? 'memory' : 'redis';
    samples.push({ at, of: 'app', kind: 'health', ok: true, ms: 2, mode });
    samples.push({ at, of: 'app', kind: 'write', ok: true, ms: 2, status: 200 });
    samples.push({ at, of: 'app', kind: 'read', ok: true, ms: 2, status: 200 });
    samples.push({ at, of: 'target', kind: 'ping', ok: at < 1_000 || at >= 3_100, ms: 1 });
  }
  return samples.map(change);
}

const missing = (sample: Sample): Sample => ({
  ...sample,
  ok: false,
  status: 404,
  error: 'the value is missing',
});

it('passes a run in which everything is answered and the mode changes twice', () => {
  expect(judge(run(), marks, expected)).toEqual({
    passed: true,
    reasons: [],
    outage_ms: 2_200,
    applications: [
      {
        application: 'app',
        degrade_ms: 100,
        recover_ms: 100,
        transitions: 2,
        requests: 153,
        failed: 0,
        availability: 1,
        missed_in_transition: 0,
        worst_ms: 2,
      },
    ],
  });
});

it('forgives a read that misses in the moment of a change, but counts it', () => {
  const verdict = judge(
    run((sample) => (sample.kind === 'read' && sample.at === 1_100 ? missing(sample) : sample)),
    marks,
    expected,
  );
  expect(verdict.passed).toBe(true);
  expect(verdict.applications[0]).toMatchObject({ missed_in_transition: 1, failed: 0 });
});

it('does not forgive a read that misses in the midst of memory mode', () => {
  const verdict = judge(
    run((sample) => (sample.kind === 'read' && sample.at === 2_000 ? missing(sample) : sample)),
    marks,
    expected,
  );
  expect(verdict.reasons).toEqual([
    'app: reports memory mode but does not serve from it: 1 of 38 writes and reads failed (read: the value is missing)',
  ]);
});

it('does not forgive a single failed request, even in the moment of a change', () => {
  const verdict = judge(
    run((sample) =>
      sample.kind === 'write' && sample.at === 1_000
        ? { ...sample, ok: false, status: 500, error: 'answered 500' }
        : sample,
    ),
    marks,
    expected,
  );
  expect(verdict.reasons).toEqual(['app: 1 of 153 requests failed (write: answered 500)']);
});

it('names a limit that was missed', () => {
  const verdict = judge(run(), marks, { ...expected, maxDegrade: 50, maxRecover: 50 });
  expect(verdict.reasons).toEqual([
    'app: took 100 ms to report memory mode, more than 50 ms',
    'app: took 100 ms to return to redis mode, more than 50 ms',
  ]);
});

it('says when the target was never away', () => {
  const verdict = judge(
    run((sample) => (sample.kind === 'ping' ? { ...sample, ok: true } : sample)),
    marks,
    expected,
  );
  expect(verdict.reasons).toEqual([
    'the target answered all along: it was not broken, or something else mended it at once',
  ]);
});

it('forgives as many failed requests as the gate of availability lets through, and no more', () => {
  const spoilt = run((sample) =>
    sample.kind === 'write' && sample.at === 1_000
      ? { ...sample, ok: false, status: 500, error: 'answered 500' }
      : sample,
  );
  expect(judge(spoilt, marks, { ...expected, minAvailability: 0.99 }).reasons).toEqual([]);
  expect(judge(spoilt, marks, { ...expected, minAvailability: 0.999 }).reasons).toEqual([
    'app: 1 of 153 requests failed, more than 0.1 % (write: answered 500)',
  ]);
});
