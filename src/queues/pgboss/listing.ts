import type { Query } from '../../postgres/client.js';
import { type JobFilter, matches } from '../filter.js';
import type { Job } from '../job.js';
import { JOB_STATES, type JobState, type QueueRef } from '../queue.js';
import type { Dialect } from './dialect.js';
import { columnsOf, type Row, toJob } from './rows.js';

/** Runs a piece of reading in a short transaction of its own. */
export type Read = <T>(work: (query: Query) => Promise<T>) => Promise<T>;

const PAGE = 1_000;
/** No index serves "newest first" before pg-boss 12.38: one pass over the queue yields so many ids. */
const FIRST_SEGMENT = 1_000;
const LONGEST_SEGMENT = 100_000;
/** So much of a message is tried beforehand; what is longer is read in full. */
const TRIED = 400;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isUuid = (id: string): boolean => UUID.test(id);

/**
 * The jobs that match, newest first within each state. Ids are found in order, a long segment at a
 * time, and the jobs themselves read by the primary key in pages, as they are by then; no
 * transaction stays open between pages, which would hold back vacuum for as long as the caller takes.
 */
export async function* listJobs(
  read: Read,
  d: Dialect,
  ref: QueueRef,
  asked: JobFilter,
): AsyncGenerator<Job[]> {
  // pg-boss has no job names; Postgres writes ids in lower case.
  if (asked.name !== undefined) return;
  const ids = asked.ids?.map((id) => id.toLowerCase());
  const filter = ids ? { ...asked, ids } : asked;
  const states = filter.states.length > 0 ? filter.states : JOB_STATES;
  for (const state of states) {
    const only = { ...filter, states: [state] };
    let after: Key | undefined;
    for (let size = FIRST_SEGMENT; ; size = Math.min(size * 10, LONGEST_SEGMENT)) {
      const keys: Key[] = await read((query) => segment(query, d, ref, state, filter, after, size));
      const worth = keys.filter(({ error }) => mayMatch(error, filter.error));
      yield* pages(read, d, ref, only, worth);
      after = keys.at(-1);
      if (keys.length < size || after === undefined) break;
    }
  }
}

/** The next page is asked for while the caller works on this one. */
async function* pages(
  read: Read,
  d: Dialect,
  ref: QueueRef,
  filter: JobFilter,
  keys: readonly Key[],
): AsyncGenerator<Job[]> {
  const load = (from: number) => {
    const ids = keys.slice(from, from + PAGE).map(({ id }) => id);
    const loading = read((query) => rowsById(query, d, ref.queue, ids));
    // It may fail while nobody awaits it yet.
    loading.catch(() => {});
    return loading;
  };
  let next = keys.length > 0 ? load(0) : undefined;
  for (let from = 0; next !== undefined; from += PAGE) {
    const rows: Map<string, Row> = await next;
    next = from + PAGE < keys.length ? load(from + PAGE) : undefined;
    const jobs = keys.slice(from, from + PAGE).flatMap(({ id }) => {
      const row = rows.get(id);
      return row ? [toJob(ref, row)] : [];
    });
    // Read again: what has changed meanwhile is no longer meant.
    const meant = jobs.filter((job) => matches(job, filter));
    if (meant.length > 0) yield meant;
  }
}

/** Where a segment ended: the time with its microseconds, as Postgres writes it. */
interface Key {
  id: string;
  at: string;
  /** The beginning of the last failure's message; null where it is not simply a message. */
  error: string | null;
}

/** Most jobs that an error sorts out need not be read at all. */
function mayMatch(error: string | null, pattern: RegExp | undefined): boolean {
  return !pattern || error === null || error.length >= TRIED || pattern.test(error);
}

async function segment(
  query: Query,
  d: Dialect,
  ref: QueueRef,
  state: JobState,
  { ids, error, data = [], before, after }: JobFilter,
  beyond: Key | undefined,
  size: number,
): Promise<Key[]> {
  const values: unknown[] = [ref.queue];
  const $ = (value: unknown) => `$${values.push(value)}`;
  const created = d.job('created_on', 'j', "'epoch'::timestamptz");
  const at = `coalesce(${d.job('completed_on', 'j')}, ${created})`;
  const where = ['j.name = $1', inState(d, state)];
  if (ids) where.push(`j.id = ANY(${$(ids.filter(isUuid))}::uuid[])`);
  if (beyond) where.push(`(${at}, j.id) < (${$(beyond.at)}::timestamptz, ${$(beyond.id)}::uuid)`);
  // A job's age is compared to the millisecond, as it is shown; the caller looks again.
  if (before !== undefined) where.push(`${at} < to_timestamp(${$(before)}::float8 / 1000)`);
  if (after !== undefined) where.push(`${at} >= to_timestamp(${$(after)}::float8 / 1000)`);
  for (const { path, value } of data) {
    // Numbers and objects have more than one spelling in JSON: those the caller compares.
    const place = `${d.job('data', 'j')} #> ${$(path)}::text[]`;
    where.push(`(jsonb_typeof(${place}) <> 'string' OR ${place} = to_jsonb(${$(value)}::text))`);
  }
  const output = d.job('output', 'j', 'NULL::jsonb');
  const message = `CASE WHEN jsonb_typeof(${output} -> 'message') = 'string'
    THEN left(${output} ->> 'message', ${TRIED}) END`;
  return query<Key & Record<string, unknown>>(
    `SELECT j.id::text AS id, ${at}::text AS at, ${error ? message : 'NULL'} AS error FROM ${d.table('job')} j
     WHERE ${where.join(' AND ')} ORDER BY ${at} DESC, j.id DESC LIMIT ${size}`,
    values,
  );
}

/** A state in our words as a condition in pg-boss's. */
export function inState(d: Dialect, state: JobState): string {
  const blocked = d.job('blocked', 'j', 'false');
  const due = `coalesce(${d.job('start_after', 'j', 'now()')}, now())`;
  const pending = `j.state::text IN ('created', 'retry')`;
  switch (state) {
    case 'blocked':
      return `${pending} AND ${blocked}`;
    case 'waiting':
      return `${pending} AND NOT ${blocked} AND ${due} <= now()`;
    case 'delayed':
      return `${pending} AND NOT ${blocked} AND ${due} > now()`;
    case 'failed':
      return `j.state::text IN ('failed', 'expired')`;
    default:
      return `j.state::text = '${state}'`;
  }
}

/** Jobs by their primary key; ids that are no UUID have none. */
export async function rowsById(
  query: Query,
  d: Dialect,
  queue: string,
  ids: readonly string[],
): Promise<Map<string, Row>> {
  const rows = await query<Row>(
    `SELECT ${columnsOf(d, 'j')} FROM ${d.table('job')} j
     WHERE j.name = $1 AND j.id = ANY($2::uuid[])`,
    [queue, ids.filter(isUuid)],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Of these jobs, those that pg-boss 9 or 10 has moved to its archive. */
export async function archivedById(
  query: Query,
  d: Dialect,
  queue: string,
  ids: readonly string[],
): Promise<Map<string, Row>> {
  if (!d.has('archive') || ids.length === 0) return new Map();
  const rows = await query<Row>(
    `SELECT ${columnsOf(d, 'a', true)} FROM ${d.table('archive')} a
     WHERE a.name = $1 AND a.id = ANY($2::uuid[])`,
    [queue, ids.filter(isUuid)],
  );
  return new Map(rows.map((row) => [row.id, row]));
}
