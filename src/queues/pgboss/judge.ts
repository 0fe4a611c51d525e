import type { Operation, Result } from '../operation.js';
import { type Row, stateOf } from './rows.js';

export interface Verdict {
  result: Result;
  /** What becomes of the job, or what stands against it. */
  detail: string;
}

/** What is known of a job beside its row, where an operation needs it. */
export interface Circumstances {
  /** Where a dead letter goes, or why that is not known. */
  destination?: { queue: string } | { unknown: string };
  /** How many jobs wait for this one in a flow. */
  dependents?: number;
}

/** What an operation does to a job as it stands. The statements guard the same, on the server. */
export function judge(
  operation: Operation,
  row: Row | undefined,
  seen: string,
  circumstances: Circumstances = {},
): Verdict {
  if (row === undefined) return { result: 'missing', detail: 'there is no such job' };
  if (row.is_archived)
    return conflict('pg-boss has archived it: it can be read, and sent again by its application');
  const state = stateOf(row);
  if (seen !== '' && seen !== row.seen)
    return raced(state === 'failed' ? 'it has failed anew' : `it is ${state} now`);
  switch (operation.type) {
    case 'retry':
      return judgeRetry(row);
    case 'cancel':
      return judgeCancel(row);
    case 'remove':
      return judgeRemove(row, operation.cascade, circumstances.dependents ?? 0);
    case 'promote':
      if (state === 'delayed') return done(waitingWith(row));
      if (state === 'blocked') return conflict('it waits for other jobs, not for a time');
      return raced(`it is ${state}, not delayed`);
    case 'redrive':
      return judgeRedrive(row, circumstances);
  }
}

function judgeRetry(row: Row): Verdict {
  const state = stateOf(row);
  switch (state) {
    case 'failed':
      return done(waitingWith(row));
    case 'cancelled':
      // pg-boss tells a worker nothing (10, 11) or only at a heartbeat (12): until its time is over
      // it may still be at work, and a retry would run the job twice.
      if (mayStillRun(row))
        return {
          result: 'locked',
          detail: `cancelled, but a worker that had it may run until ${untilOf(row)}`,
        };
      return done(row.is_blocked ? 'blocked, it waits for other jobs' : waitingWith(row));
    case 'active':
      return { result: 'locked', detail: `it is still running, until ${untilOf(row)} at most` };
    case 'completed':
      return conflict('it is completed');
    default:
      return raced(`it is ${state} already`);
  }
}

function judgeCancel(row: Row): Verdict {
  const state = stateOf(row);
  switch (state) {
    case 'active':
      return { result: 'fenced', detail: fencedBy(row.heartbeat_seconds) };
    case 'waiting':
    case 'delayed':
    case 'blocked':
      return done('cancelled before it started; a retry resumes it');
    default:
      return raced(`it is ${state} already`);
  }
}

/** What a cancelled run is told: nothing, or at its next heartbeat (pg-boss 12, queues that have one). */
export function fencedBy(heartbeat: number | null): string {
  return heartbeat === null
    ? 'cancelled; its result will be refused, its worker is not told and may run on'
    : `cancelled; its result will be refused, its worker is told at its next heartbeat (every ${heartbeat} s)`;
}

function judgeRemove(row: Row, cascade: boolean, dependents: number): Verdict {
  if (row.state === 'active')
    return { result: 'locked', detail: `a worker has it, until ${untilOf(row)} at most` };
  if (dependents === 0) return done('removed');
  const jobs = `${dependents} ${dependents === 1 ? 'job that waits' : 'jobs that wait'} for it`;
  return cascade
    ? done(`removed, and ${jobs}`)
    : conflict(`without it ${jobs} would never run; --cascade removes them too`);
}

function judgeRedrive(row: Row, { destination }: Circumstances): Verdict {
  if (row.state === 'active')
    return { result: 'locked', detail: 'a worker of the dead letter queue has it' };
  // As pg-boss 12 has it: what the dead letter queue's own workers have ended stays where it is.
  if (row.state !== 'created' && row.state !== 'retry')
    return conflict(`it is ${stateOf(row)} in the dead letter queue itself`);
  if (destination === undefined || 'unknown' in destination)
    return conflict(destination?.unknown ?? 'where it came from is not known');
  return done(`waiting in ${destination.queue}, as a new job`);
}

export function mayStillRun(row: Row): boolean {
  return row.started_on !== null && (row.expires_in_ms ?? 0) > 0;
}

export function waitingWith({ priority }: Row): string {
  return `waiting, priority ${priority}`;
}

function untilOf({ expires_on }: Row): string {
  return expires_on instanceof Date ? expires_on.toISOString() : 'an unknown time';
}

const done = (detail: string): Verdict => ({ result: 'done', detail });
const raced = (detail: string): Verdict => ({ result: 'raced', detail });
const conflict = (detail: string): Verdict => ({ result: 'conflict', detail });
