import { type Channel, demand } from '../redis/channel.js';
import type { Reply } from '../redis/resp.js';

/** One element: a field, a member, an index or an id, with what it holds; bytes as latin1. */
export interface Element {
  name: string;
  value: string | null;
  bytes: number;
}

/** Elements a reply, so that it is about 256 KB and holds the server for a fraction of a millisecond. */
const STEP_BYTES = 256 * 1024;
const MOST_AT_ONCE = 500;

export function stepFor(bytes: number | null, elements: number): number {
  const average = Math.max(1, (bytes ?? 0) / Math.max(1, elements));
  return Math.min(MOST_AT_ONCE, Math.max(1, Math.floor(STEP_BYTES / average)));
}

/** How many elements a value of that type has. A string and the types of modules have none. */
export const COUNTS: Readonly<Record<string, string>> = {
  hash: 'HLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  list: 'LLEN',
  stream: 'XLEN',
};

/** What to read of a key: so many elements at a time, of a list so many altogether. */
export interface Reading {
  key: string;
  elements: number;
  step: number;
  most: number;
}

/** The elements of a key in small replies. Throws ReplyError where the user may not read them. */
export function elementsOf(
  channel: Channel,
  type: string,
  reading: Reading,
): AsyncGenerator<Element[]> {
  if (type === 'list') return ofList(channel, reading);
  if (type === 'stream') return ofStream(channel, reading);
  return scanned(channel, type, reading);
}

/** Of a table that is resized meanwhile an element may come twice; none is left out. */
async function* scanned(
  channel: Channel,
  type: string,
  { key, step }: Reading,
): AsyncGenerator<Element[]> {
  const verb = { hash: 'HSCAN', zset: 'ZSCAN' }[type] ?? 'SSCAN';
  let cursor = '0';
  do {
    const reply = demand(await channel.send(verb, key, cursor, 'COUNT', step));
    const [next, flat] = reply as [string, string[]];
    cursor = next;
    yield type === 'set' ? flat.map((name) => element(name, null)) : inPairs(flat, type);
  } while (cursor !== '0');
}

function inPairs(flat: readonly string[], type: string): Element[] {
  return Array.from({ length: flat.length >> 1 }, (_, index) => {
    const [name, value] = [flat[2 * index] as string, flat[2 * index + 1] as string];
    // A score is a number of eight bytes, however long its text is.
    return type === 'zset' ? { name, value, bytes: name.length + 8 } : element(name, value);
  });
}

const element = (name: string, value: string | null): Element => ({
  name,
  value,
  bytes: name.length + (value?.length ?? 0),
});

/** The parts that a list is read in where it is longer than will be read. */
const WINDOWS = 50;

/** All of a list, or windows spread evenly over one that is longer than will be read. */
async function* ofList(
  channel: Channel,
  { key, elements, step, most }: Reading,
): AsyncGenerator<Element[]> {
  const part = elements > most;
  const size = part ? Math.min(step, Math.ceil(most / WINDOWS)) : step;
  const windows = Math.ceil(Math.min(elements, most) / size);
  // The last window ends with the list.
  const apart = part && windows > 1 ? (elements - size) / (windows - 1) : size;
  for (let window = 0; window < windows; window += 1) {
    const from = Math.round(window * apart);
    const reply = demand(await channel.send('LRANGE', key, from, from + size - 1));
    yield (reply as string[]).map((value, index) => ({
      name: String(from + index),
      value,
      bytes: value.length,
    }));
  }
}

async function* ofStream(channel: Channel, { key, step }: Reading): AsyncGenerator<Element[]> {
  let from = '-';
  for (;;) {
    const reply = demand(await channel.send('XRANGE', key, from, '+', 'COUNT', step)) as Reply[];
    const entries = reply.map((entry) => {
      const [id, fields] = entry as [string, string[]];
      return {
        name: id,
        value: fields.join(' '),
        bytes: fields.reduce((sum, text) => sum + text.length, 0),
      };
    });
    yield entries;
    const last = entries.at(-1);
    if (!last || entries.length < step) return;
    from = after(last.name);
  }
}

/** The next id that there can be: "(" for an open interval is not known before Redis 6.2. */
function after(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-');
  const last = 2n ** 64n - 1n;
  return BigInt(sequence) === last ? `${BigInt(ms) + 1n}-0` : `${ms}-${BigInt(sequence) + 1n}`;
}
