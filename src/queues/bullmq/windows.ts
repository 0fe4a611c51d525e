import { type Channel, demand } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';
import { isMarker } from './keys.js';

/** An id, and its score in a sorted set, also as Redis has written it. */
export interface Entry {
  id: string;
  score?: number;
  written?: string;
}

const SIZE = 1_000;
/** Of a list, as many ids are read again as could have been removed in front of them meanwhile. */
const OVERLAP = 200;

/** Scores from and to, both inclusive; `up` from the lowest on rather than from the highest down. */
export interface Range {
  from?: number | undefined;
  to?: number | undefined;
  up?: boolean;
}

/**
 * The ids of a sorted set in windows. Each begins after the last one's (score, id), whatever has come
 * and gone since: none is skipped, and one that was moved ahead is not met again.
 */
export async function* zsetWindows(
  channel: Channel,
  key: string,
  { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, up = false }: Range = {},
): AsyncGenerator<Entry[]> {
  const [first, end] = up ? [from, to] : [to, from];
  const isWithin = ({ score }: Required<Entry>) => (up ? score <= end : score >= end);
  let rank = Number.isFinite(first) ? await ahead(channel, key, first, up) : 0;
  let last: Required<Entry> | undefined;
  for (;;) {
    // One more in front: when it is still the last one of before, nothing has moved.
    let read = await range(channel, key, last ? rank - 1 : rank, SIZE + 1, up);
    if (last && (read[0]?.id !== last.id || read[0].score !== last.score)) {
      rank = await rankAfter(channel, key, last, up);
      read = await range(channel, key, rank, SIZE, up);
    } else if (last) read = read.slice(1);
    const window = read.filter(isWithin);
    last = read.at(-1) ?? last;
    rank += read.length;
    const ids = window.filter(({ id }) => !isMarker(id));
    if (ids.length > 0) yield ids;
    if (read.length === 0 || window.length < read.length) return;
  }
}

async function range(channel: Channel, key: string, start: number, length: number, up: boolean) {
  const command = up ? 'ZRANGE' : 'ZREVRANGE';
  const flat = await strings(channel, command, key, start, start + length - 1, 'WITHSCORES');
  const entries: Required<Entry>[] = [];
  for (let at = 0; at < flat.length; at += 2) {
    const written = flat[at + 1] as string;
    entries.push({ id: flat[at] as string, score: Number(written), written });
  }
  return entries;
}

/** How many stand before a score in the direction, or with `also` at it too. */
async function ahead(
  channel: Channel,
  key: string,
  score: number,
  up: boolean,
  also = false,
): Promise<number> {
  const bound = also ? String(score) : `(${score}`;
  const reply = await channel.send('ZCOUNT', key, ...(up ? ['-inf', bound] : [bound, '+inf']));
  return wrongType(reply) ? 0 : (demand(reply) as number);
}

/** How many stand before and at (score, id), which may be gone: within a score the ids are sorted. */
async function rankAfter(
  channel: Channel,
  key: string,
  { id, score }: Required<Entry>,
  up: boolean,
) {
  let low = await ahead(channel, key, score, up);
  let high = await ahead(channel, key, score, up, true);
  const bytes = Buffer.from(id);
  const sign = up ? -1 : 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [there] = await range(channel, key, middle, 1, up);
    // Redis compares members by their bytes.
    const order = there && (there.score - score || Buffer.compare(Buffer.from(there.id), bytes));
    if (order !== undefined && order * sign >= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The ids of a list from its left end, the newest, in windows. After the first window (it is often
 * all that is wanted) the rest is copied at once, as text: lists shift while jobs come and go.
 */
export async function* listWindows(channel: Channel, key: string): AsyncGenerator<Entry[]> {
  const read = (start: number) => strings(channel, 'LRANGE', key, start, start + SIZE - 1);
  const first = await read(0);
  if (first.length > 0) yield entries(first);
  if (first.length < SIZE) return;
  const copies: string[] = [];
  const yielded = new Set(first);
  let before = new Set<string>();
  let ids: string[];
  for (let start = 0; ; start += SIZE - OVERLAP) {
    ids = await read(start);
    const fresh = ids.filter((id) => !yielded.has(id) && !before.has(id));
    if (fresh.length > 0) copies.push(fresh.join('\0'));
    before = new Set(ids);
    if (ids.length < SIZE) break;
  }
  for (const copy of copies) yield entries(copy.split('\0'));
}

const entries = (ids: string[]): Entry[] => ids.filter((id) => !isMarker(id)).map((id) => ({ id }));

/** A key that is of another type has no ids. */
async function strings(channel: Channel, ...command: (string | number)[]): Promise<string[]> {
  const reply = await channel.send(...command);
  return wrongType(reply) ? [] : (demand(reply) as string[]);
}

const wrongType = (reply: unknown) => reply instanceof ReplyError && reply.code === 'WRONGTYPE';
