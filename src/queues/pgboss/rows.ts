import type { Job } from '../job.js';
import type { JobState, QueueRef } from '../queue.js';
import type { Dialect } from './dialect.js';

/** A job of pg-boss under one set of names, whatever its version calls them. */
export interface Row {
  id: string;
  name: string;
  state: string;
  seen: string;
  priority: number;
  data: unknown;
  output: unknown;
  retry_limit: number;
  retry_count: number;
  created_on: Stamp;
  start_after: Stamp;
  started_on: Stamp;
  completed_on: Stamp;
  /** By the server's clock: start_after is still to come. */
  is_delayed: boolean;
  is_blocked: boolean;
  is_archived: boolean;
  /** When an active run is given up, by pg-boss itself and by its worker. */
  expires_on: Stamp;
  expires_in_ms: number | null;
  policy: string | null;
  singleton_key: string | null;
  dead_letter: string | null;
  source_name: string | null;
  source_id: string | null;
  heartbeat_seconds: number | null;
}

/** As node-postgres reads a timestamp; a number is infinity. */
export type Stamp = Date | number | null;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isUuid = (id: string): boolean => UUID.test(id);

/**
 * What tells one failure of a job from the next. The same expression stands in the WHERE of every
 * change: a job that was retried and has failed again has another attempt and another end.
 */
export function seenOf(d: Dialect, alias: string): string {
  const ended = d.job('completed_on', alias);
  const since = `floor(extract(epoch FROM ${ended}) * 1000000)::numeric`;
  return `(${alias}.state::text || ':' || ${d.job('retry_count', alias, '0')} || ':' || coalesce(${since}::text, ''))`;
}

/** The end of a run's time: the worker gives up on its handler then, and pg-boss on the worker. */
export function expiryOf(d: Dialect, alias: string): string {
  const started = d.job('started_on', alias, 'NULL::timestamptz');
  const seconds = d.job('expire_seconds', alias, '');
  if (seconds) return `(${started} + ${seconds} * interval '1s')`;
  return `(${started} + ${d.job('expire_in', alias, "interval '15 minutes'")})`;
}

/** The select list that makes a Row of a row of `job` or `archive`. */
export function columnsOf(d: Dialect, alias: string, archived = false): string {
  const same = (name: string, without?: string) => `${d.job(name, alias, without)} AS ${name}`;
  return [
    `${alias}.id::text AS id, ${alias}.name AS name, ${alias}.state::text AS state`,
    `${seenOf(d, alias)} AS seen`,
    ...['priority', 'retry_limit', 'retry_count'].map((name) => same(name, '0')),
    ...['data', 'output', 'created_on', 'start_after', 'started_on', 'completed_on'].map((name) =>
      same(name),
    ),
    ...['policy', 'singleton_key', 'dead_letter', 'source_name', 'heartbeat_seconds'].map((name) =>
      same(name),
    ),
    `${d.job('source_id', alias)}::text AS source_id`,
    `coalesce(${d.job('start_after', alias, 'now()')} > now(), false) AS is_delayed`,
    `${d.job('blocked', alias, 'false')} AS is_blocked`,
    `${archived} AS is_archived`,
    `${expiryOf(d, alias)} AS expires_on`,
    `(extract(epoch FROM ${expiryOf(d, alias)} - now()) * 1000)::float8 AS expires_in_ms`,
  ].join(', ');
}

export function stateOf({ state, is_blocked, is_delayed }: Row): JobState {
  switch (state) {
    case 'created':
    case 'retry':
      if (is_blocked) return 'blocked';
      return is_delayed ? 'delayed' : 'waiting';
    case 'active':
    case 'completed':
    case 'cancelled':
      return state;
    // failed; expired in pg-boss 9, which is a failure by time.
    default:
      return 'failed';
  }
}

export function toJob(ref: QueueRef, row: Row): Job {
  const state = stateOf(row);
  return {
    ...ref,
    queue: row.name,
    id: row.id,
    name: null,
    state,
    priority: row.priority,
    // retry_count rises when a job is taken again; the first run is not counted in it.
    attempts_made: row.started_on === null ? 0 : row.retry_count + 1,
    attempts_max: row.retry_limit + 1,
    created_at: ms(row.created_on),
    due_at: state === 'delayed' ? ms(row.start_after) : null,
    started_at: ms(row.started_on),
    finished_at: ms(row.completed_on),
    error: row.state === 'completed' ? null : errorOf(row.output),
    data: row.data,
    problem: null,
    seen: row.seen,
  };
}

export function ms(stamp: Stamp): number | null {
  return stamp instanceof Date ? stamp.getTime() : null;
}

/**
 * The message in what a failed job leaves: a serialised Error, what a handler threw if it was no
 * Error (`{ value }`), or pg-boss's own note (`{ value: { message } }` in 10 when time ran out).
 */
export function errorOf(output: unknown): string | null {
  if (output === null || output === undefined) return null;
  if (typeof output === 'string') return output;
  if (typeof output === 'object') {
    if ('message' in output && typeof output.message === 'string') return output.message;
    if ('value' in output) return errorOf(output.value);
  }
  return JSON.stringify(output);
}
