import type { Query } from '../../postgres/client.js';
import { type JobFilter, matches } from '../filter.js';
import { blankJob, type Job } from '../job.js';
import { JOB_STATES, type JobState, type QueueRef } from '../queue.js';
import type { Dialect } from './dialect.js';
import { columnsOf, isUuid, type Row, toJob } from './rows.js';
import {
  type Key,
  type OneState,
  ordered,
  type Read,
  type Reader,
  TRIED,
  unordered,
} from './segments.js';

const PAGE = 1_000;

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
      if (worth.every(isSure)) yield* barePages(ref, state, worth);
      else yield* pages(reader.read, d, ref, only, worth, isSure);
    }
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

function* barePages(ref: QueueRef, state: JobState, keys: readonly Key[]): Generator<Job[]> {
  for (let from = 0; from < keys.length; from += PAGE)
    yield keys.slice(from, from + PAGE).map((key) => bareJob(ref, state, key));
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

/** Most jobs that an error sorts out need not be read at all. */
function mayMatch(error: string | null, pattern: RegExp | undefined): boolean {
  return !pattern || error === null || error.length >= TRIED || pattern.test(error);
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
