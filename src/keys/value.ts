import type { Reply } from '../redis/resp.js';
import { ReplyError } from '../redis/resp.js';
import type { KeyCommand, Master, Masters } from './masters.js';
import { isUnknown, mayNotRun, refusedBy } from './rights.js';

/** One element of a value; which fields there are depends on the type. All text is bytes. */
export interface Entry {
  /** Of a list. */
  index?: number;
  /** Of a hash; in a stream of the entry. */
  field?: string;
  /** Of a stream's entry. */
  id?: string;
  /** Of a sorted set; as text, as it may be inf. */
  score?: string;
  value: string;
}

/** Where a page begins: so many bytes or elements in, at a rank, or at a cursor of the server. */
export interface Page {
  /** Elements; of a string `bytes`. */
  limit: number;
  bytes: number;
  /** For strings (bytes), lists and sorted sets (elements). */
  offset: number;
  /** For hashes and sets a cursor of the server, for streams an id. */
  cursor: string | undefined;
}

export interface KeyValue {
  /** The master that has it. */
  address: string;
  type: string;
  encoding: string | null;
  ttl_ms: number | null;
  /** Memory, an estimate by samples; null where the server would not say. */
  bytes: number | null;
  /** Bytes of a string, elements of anything else; null for a type of a module. */
  length: number | null;
  entries: Entry[];
  /** What the next page begins with; null at the end. */
  next: { offset: number } | { cursor: string } | null;
}

const LENGTH: Readonly<Record<string, string>> = {
  string: 'STRLEN',
  list: 'LLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  hash: 'HLEN',
  stream: 'XLEN',
};

/** Which flag a page of this type is turned with. */
export function pagedBy(type: string): 'offset' | 'cursor' {
  return type === 'hash' || type === 'set' || type === 'stream' ? 'cursor' : 'offset';
}

/** One page of a key's value; undefined when there is no such key. Reads only. */
export async function readValue(
  masters: Masters,
  key: string,
  page: Page,
): Promise<KeyValue | undefined> {
  const node = await masters.owner(key);
  const [type, ttl, encoding, bytes] = await masters.ask(node, [
    ['TYPE', key],
    ['PTTL', key],
    ['OBJECT', 'ENCODING', key],
    ['MEMORY', 'USAGE', key],
  ]);
  const kind = demanded(node, 'TYPE', type);
  if (kind === 'none') return undefined;
  const name = String(kind);
  const length = LENGTH[name];
  const known = {
    address: node.address,
    type: name,
    encoding: typeof encoding === 'string' ? encoding : null,
    ttl_ms: typeof ttl === 'number' && ttl >= 0 ? ttl : null,
    bytes: typeof bytes === 'number' ? bytes : null,
  };
  if (length === undefined) return { ...known, length: null, entries: [], next: null };
  const [size, reply] = await masters.ask(node, [[length, key], readCommand(name, key, page)]);
  const total = Number(demanded(node, length, size));
  const content = demanded(node, 'reading the value', reply);
  return { ...known, length: total, ...pageOf(name, content, page, total) };
}

function demanded(node: Master, command: string, reply: Reply | undefined): Reply {
  if (reply instanceof ReplyError) {
    throw refusedBy(node, mayNotRun(reply) || isUnknown(reply) ? command : 'this key', reply);
  }
  return reply ?? null;
}

function readCommand(
  type: string,
  key: string,
  { limit, bytes, offset, cursor }: Page,
): KeyCommand {
  const last = offset + limit - 1;
  switch (type) {
    case 'string':
      return ['GETRANGE', key, offset, offset + bytes - 1];
    case 'list':
      return ['LRANGE', key, offset, last];
    case 'zset':
      return ['ZRANGE', key, offset, last, 'WITHSCORES'];
    case 'hash':
      return ['HSCAN', key, cursor ?? '0', 'COUNT', limit];
    case 'set':
      return ['SSCAN', key, cursor ?? '0', 'COUNT', limit];
    default:
      // One more than is shown: its id is where the next page begins.
      return ['XRANGE', key, cursor ?? '-', '+', 'COUNT', limit + 1];
  }
}

type Content = Pick<KeyValue, 'entries' | 'next'>;

function pageOf(
  type: string,
  reply: Reply,
  { limit, bytes, offset }: Page,
  total: number,
): Content {
  const end = offset + (type === 'string' ? bytes : limit);
  const next = end < total ? { offset: end } : null;
  if (type === 'string') return { entries: [{ value: String(reply ?? '') }], next };
  const items = reply as Reply[];
  if (type === 'list') {
    return { entries: texts(items).map((value, at) => ({ index: offset + at, value })), next };
  }
  if (type === 'zset') {
    return { entries: pairs(items).map(([value, score]) => ({ value, score })), next };
  }
  if (type === 'stream') return streamPage(items, limit);
  const [cursor, content] = items as [string, Reply[]];
  const entries =
    type === 'hash'
      ? pairs(content).map(([field, value]) => ({ field, value }))
      : texts(content).map((value) => ({ value }));
  return { entries, next: cursor === '0' ? null : { cursor } };
}

function streamPage(items: readonly Reply[], limit: number): Content {
  const found = items as [string, Reply[]][];
  const [beyond] = found[limit] ?? [];
  const entries = found
    .slice(0, limit)
    .flatMap(([id, fields]) => pairs(fields).map(([field, value]) => ({ id, field, value })));
  return { entries, next: beyond === undefined ? null : { cursor: beyond } };
}

const texts = (items: readonly Reply[]) => items.map(String);

function pairs(items: readonly Reply[]): [string, string][] {
  return Array.from({ length: items.length / 2 }, (_, at) => [
    String(items[at * 2]),
    String(items[at * 2 + 1]),
  ]);
}

/** A string's bytes, window by window: of any length only one is in memory. */
export async function* stringBytes(
  masters: Masters,
  key: string,
  offset = 0,
): AsyncGenerator<string> {
  const node = await masters.owner(key);
  for (let start = offset; ; start += WINDOW) {
    const [reply] = await masters.ask(node, [['GETRANGE', key, start, start + WINDOW - 1]]);
    const piece = String(demanded(node, 'GETRANGE', reply) ?? '');
    if (piece !== '') yield piece;
    if (piece.length < WINDOW) return;
  }
}

const WINDOW = 1024 * 1024;
