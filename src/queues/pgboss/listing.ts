import type { PostgresSession, Query } from '../../postgres/client.js';
import { certainText } from '../certain.js';
import { type JobFilter, matches } from '../filter.js';
import { blankJob, type Job } from '../job.js';
import { JOB_STATES, type JobState, type QueueRef } from '../queue.js';
import type { Dialect } from './dialect.js';
import { columnsOf, type Row, seenOf, toJob } from './rows.js';

/** Runs a piece of reading in a short transaction of its own. */
export type Read = <T>(work: (query: Query) => Promise<T>) => Promise<T>;

const PAGE = 1_000;
/** No index serves "newest first" before pg-boss 12.38: one pass over the queue yields so many ids. */
const ORDERED = { first: 1_000, longest: 100_000 };
/** So many ids at a time where their order does not matter. */
const BARE = 5_000;
/** So much of a message is tried beforehand; what is longer is read in full. */
const TRIED = 400;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isUuid = (id: string): boolean => UUID.test(id);

/** How jobs are read: `scan` for bare ones. */
export interface Reader {
  read: Read;
  scan: PostgresSession['cursor'];
}

/**
 * The jobs that match, newest first within each state. Ids are found in order, a segment at a time,
 * and the jobs themselves read by the primary key in pages, as they are by then; no transaction stays
 * open between pages, which would hold back vacuum for as long as the caller takes. Bare ones come in
 * one pass as they lie in the table, from the segment alone where that says enough: to choose jobs is
 * no long work, and it is the jobs of one moment.
 */
export async function* listJobs(
  reader: Reader,
  d: Dialect,
  ref: QueueRef,
  asked: JobFilter,
  bare = false,
): AsyncGenerator<Job[]> {
  // pg-boss has no job names; Postgres writes ids in lower case.
  if (asked.name !== undefined) return;
  const ids = asked.ids?.map((id) => id.toLowerCase());
  const filter = ids ? { ...asked, ids } : asked;
  const states = filter.states.length > 0 ? filter.states : JOB_STATES;
  const isSure = bare && filter.data === undefined ? saysEnough(filter.error) : () => false;
  const keysOf = bare ? unordered : ordered;
  for (const state of states) {
    const only = { ...filter, states: [state] as [JobState] };
    for await (const keys of keysOf(reader, d, ref, only)) {
      const worth = keys.filter(({ error }) => mayMatch(error, filter.error));
      yield* pages(reader.read, d, ref, only, worth, isSure);
    }
  }
}

type OneState = JobFilter & { states: readonly [JobState] };

async function* ordered(
  { read }: Reader,
  d: Dialect,
  ref: QueueRef,
  filter: OneState,
): AsyncGenerator<Key[]> {
  let beyond: Key | undefined;
  for (let size = ORDERED.first; ; size = Math.min(size * 10, ORDERED.longest)) {
    const { text, values } = segment(d, ref, filter, beyond);
    const order = `ORDER BY ${atOf(d)} DESC, j.id DESC LIMIT ${size}`;
    const keys = await read((query) => query<Key>(`${text} ${order}`, values));
    yield keys;
    beyond = keys.at(-1);
    if (keys.length < size || beyond === undefined) return;
  }
}

async function* unordered(
  { scan }: Reader,
  d: Dialect,
  ref: QueueRef,
  filter: OneState,
): AsyncGenerator<Key[]> {
  const { text, values } = segment(d, ref, filter, 'bare');
  for await (const rows of scan<Key>(text, values, BARE)) {
    // Ended jobs say it in what was seen: to have Postgres write it once more takes it a fifth longer.
    for (const row of rows) row.at_us ??= Number(row.seen.slice(row.seen.lastIndexOf(':') + 1));
    yield rows;
  }
}

/** Whether the segment says of a job all that the filter asks. */
function saysEnough(pattern: RegExp | undefined): (key: Key) => boolean {
  return ({ error }) => !pattern || (error !== null && error.length < TRIED);
}

function bareJob(ref: QueueRef, state: JobState, { id, at_us, error, seen }: Key): Job {
  const job = blankJob(ref, id, state);
  const hasEnded = state === 'completed' || state === 'failed' || state === 'cancelled';
  job[hasEnded ? 'finished_at' : 'created_at'] = Math.floor(at_us / 1_000);
  job.error = error;
  job.seen = seen;
  return job;
}

/** In order; what is not sure is read, the next page while the caller works on this one. */
async function* pages(
  read: Read,
  d: Dialect,
  ref: QueueRef,
  filter: OneState,
  keys: readonly Key[],
  isSure: (key: Key) => boolean,
): AsyncGenerator<Job[]> {
  const load = async (from: number): Promise<Map<string, Row>> => {
    const open = keys.slice(from, from + PAGE).filter((key) => !isSure(key));
    if (open.length === 0) return new Map();
    const ids = open.map(({ id }) => id);
    return read((query) => rowsById(query, d, ref.queue, ids));
  };
  const start = (from: number) => {
    const loading = load(from);
    // It may fail while nobody awaits it yet.
    loading.catch(() => {});
    return loading;
  };
  const [state] = filter.states;
  let next = keys.length > 0 ? start(0) : undefined;
  for (let from = 0; next !== undefined; from += PAGE) {
    const rows: Map<string, Row> = await next;
    next = from + PAGE < keys.length ? start(from + PAGE) : undefined;
    const jobs = keys.slice(from, from + PAGE).flatMap((key) => {
      if (isSure(key)) return [bareJob(ref, state, key)];
      const row = rows.get(key.id);
      // Read again: what has changed meanwhile is no longer meant.
      return row ? [toJob(ref, row)].filter((job) => matches(job, filter)) : [];
    });
    if (jobs.length > 0) yield jobs;
  }
}

/** A job as a segment has it. */
interface Key extends Record<string, unknown> {
  id: string;
  /** When it ended or, when it has not, was made: microseconds since 1970. */
  at_us: number;
  seen: string;
  /** The beginning of the last failure's message; null where it is not simply a message. */
  error: string | null;
}

/** Most jobs that an error sorts out need not be read at all. */
function mayMatch(error: string | null, pattern: RegExp | undefined): boolean {
  return !pattern || error === null || error.length >= TRIED || pattern.test(error);
}

/** When a job ended or, when it has not, was made. */
function atOf(d: Dialect): string {
  const created = d.job('created_on', 'j', "'epoch'::timestamptz");
  return `coalesce(${d.job('completed_on', 'j')}, ${created})`;
}

/** The query for the jobs of a state; those after a key in the order newest first, or bare ones. */
function segment(
  d: Dialect,
  ref: QueueRef,
  { states: [state], ids, error, data = [], before, after }: OneState,
  beyond: Key | undefined | 'bare',
): { text: string; values: unknown[] } {
  const values: unknown[] = [ref.queue];
  const $ = (value: unknown) => `$${values.push(value)}`;
  const at = atOf(d);
  const where = ['j.name = $1', inState(d, state)];
  if (ids) where.push(`j.id = ANY(${$(ids.filter(isUuid))}::uuid[])`);
  if (typeof beyond === 'object') {
    // Whole microseconds, which is all that Postgres keeps of a time.
    const end = `'epoch'::timestamptz + ${$(beyond.at_us)}::float8 * interval '1 microsecond'`;
    where.push(`(${at}, j.id) < (${end}, ${$(beyond.id)}::uuid)`);
  }
  // A job's age is compared to the millisecond, as it is shown; the caller looks again.
  if (before !== undefined) where.push(`${at} < to_timestamp(${$(before)}::float8 / 1000)`);
  if (after !== undefined) where.push(`${at} >= to_timestamp(${$(after)}::float8 / 1000)`);
  for (const { path, value } of data) {
    // Numbers and objects have more than one spelling in JSON: those the caller compares.
    const place = `${d.job('data', 'j')} #> ${$(path)}::text[]`;
    where.push(`(jsonb_typeof(${place}) <> 'string' OR ${place} = to_jsonb(${$(value)}::text))`);
  }
  const output = d.job('output', 'j', 'NULL::jsonb');
  const isMessage = `jsonb_typeof(${output} -> 'message') = 'string'`;
  const certain = error ? certainText(error) : '';
  if (certain !== '') {
    // The pattern itself is the caller's to try: that of Postgres is another language.
    const has = `strpos(${output} ->> 'message', ${$(certain)}::text) > 0`;
    where.push(`(${has} IS NOT FALSE OR (${isMessage}) IS NOT TRUE)`);
  }
  const message = `CASE WHEN ${isMessage} THEN left(${output} ->> 'message', ${TRIED}) END`;
  const since = `(extract(epoch FROM ${at}) * 1000000)::float8`;
  const ended = d.job('completed_on', 'j');
  const at_us = beyond === 'bare' ? `CASE WHEN ${ended} IS NULL THEN ${since} END` : since;
  const text = `SELECT j.id::text AS id, ${at_us} AS at_us,
      ${seenOf(d, 'j')} AS seen, ${error ? message : 'NULL'} AS error
    FROM ${d.table('job')} j WHERE ${where.join(' AND ')}`;
  return { text, values };
}

/** A state in our words as a condition in pg-boss's. */
export function inState(d: Dialect, state: JobState): string {
  const blocked = d.job('blocked', 'j', 'false');
  const due = `coalesce(${d.job('start_after', 'j', 'now()')}, now())`;
  // As its own type Postgres knows how frequent a state is, and takes the index; a name that an
  // unknown version does not have would be an error.
  const column = d.readOnlyBecause === undefined ? 'j.state' : 'j.state::text';
  const pending = `${column} IN ('created', 'retry')`;
  switch (state) {
    case 'blocked':
      return `${pending} AND ${blocked}`;
    case 'waiting':
      return `${pending} AND NOT ${blocked} AND ${due} <= now()`;
    case 'delayed':
      return `${pending} AND NOT ${blocked} AND ${due} > now()`;
    case 'failed':
      return d.readOnlyBecause === undefined
        ? `${column} = 'failed'`
        : `${column} IN ('failed', 'expired')`;
    default:
      return `${column} = '${state}'`;
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
