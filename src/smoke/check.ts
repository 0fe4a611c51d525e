import { performance } from 'node:perf_hooks';
import { messageOf } from '../errors.js';

/** What is checked: a Redis or an application of the configuration, by its name. */
export interface Subject {
  subject: string;
  kind: 'redis' | 'application';
}

/** One check and what it came to. `detail` is the figure of a pass, the reason of anything else. */
export interface Check extends Subject {
  check: string;
  status: 'passed' | 'failed' | 'skipped';
  ms: number;
  detail: string | null;
}

/** A key of the run that could not be removed. In Redis it has a TTL, in an application the one of its probe's body. */
export interface Leftover extends Subject {
  key: string;
  reason: string;
}

/** What all checks of one run share. */
export interface Run {
  /** Random: part of every key, so that two runs and other people's keys never meet. */
  id: string;
  /** The beginning of every key in Redis: `{keys.prefix}:cache-ops:smoke:{id}:`. */
  keyPrefix: string;
  expectMode: 'redis' | 'memory';
  /** Milliseconds for one check. */
  timeout: number;
  signal: AbortSignal;
  onCheck(check: Check): void;
  onLeftover(leftover: Leftover): void;
}

/** Milliseconds for removing what was written; an interrupted run ends within this. */
export const CLEAN_UP_LIMIT = 1_500;

/**
 * Runs one check with its own time limit. A failure is a result; only the end of the whole run
 * throws. `work` must not write any more once its signal is aborted.
 */
export async function runCheck(
  of: Subject,
  check: string,
  run: Run,
  work: (signal: AbortSignal) => Promise<string | undefined>,
  limit = run.timeout,
): Promise<Check> {
  run.signal.throwIfAborted();
  const start = performance.now();
  const late = AbortSignal.timeout(limit);
  const signal = AbortSignal.any([run.signal, late]);
  const conclude = (status: Check['status'], detail: string | null) =>
    report(run, { ...of, check, status, ms: since(start), detail });
  try {
    return conclude('passed', (await unlessAborted(signal, work(signal))) ?? null);
  } catch (error) {
    run.signal.throwIfAborted();
    return conclude('failed', late.aborted ? `no answer within ${limit} ms` : messageOf(error));
  }
}

/** A check that cannot be made, and why. */
export function skipCheck(of: Subject, check: string, run: Run, reason: string): Check {
  return report(run, { ...of, check, status: 'skipped', ms: 0, detail: reason });
}

export function report(run: Run, check: Check): Check {
  run.onCheck(check);
  return check;
}

/** Milliseconds since `start`, to the microsecond. */
export function since(start: number): number {
  return Math.round((performance.now() - start) * 1_000) / 1_000;
}

/** The result of `work`, or the signal's reason as soon as that is aborted. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
