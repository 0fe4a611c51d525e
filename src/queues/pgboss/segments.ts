import type { PostgresSession, Query } from '../../postgres/client.js';
import { certainText } from '../certain.js';
import type { JobFilter } from '../filter.js';
import type { JobState, QueueRef } from '../queue.js';
import type { Dialect } from './dialect.js';
import { isUuid, seenOf } from './rows.js';

/** No index serves "newest first" before pg-boss 12.38: one pass over the queue yields so many ids. */
const ORDERED = { first: 1_000, longest: 100_000 };
/** So many ids at a time where their order does not matter. */
const BARE = 5_000;
/** So much of a message is tried beforehand; what is longer is read in full. */
export const TRIED = 400;

/** Runs a piece of reading in a short transaction of its own. */
export type Read = <T>(work: (query: Query) => Promise<T>) => Promise<T>;

/** How jobs are read: `scan` for bare ones. */
export interface Reader {
  read: Read;
  scan: PostgresSession['cursor'];
}

/** A job as a segment has it. */
export interface Key extends Record<string, unknown> {
  id: string;
  /** When it ended or, when it has not, was made: microseconds since 1970. */
  at_us: number;
  seen: string;
  /** The beginning of the last failure's message; null where it is not simply a message. */
  error: string | null;
}

export type OneState = JobFilter & { states: readonly [JobState] };

/** Newest first, a segment at a time; no transaction is open between two. */
export async function* ordered(
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

/** As they lie in the table, in one pass. */
export async function* unordered(
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
