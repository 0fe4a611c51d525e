import { CacheOpsError } from '../errors.js';
import type { Channel } from '../redis/channel.js';
import { type Reply, ReplyError } from '../redis/resp.js';
import { COUNTS, stepFor } from './elements.js';
import type { KeyMemory } from './key-result.js';
import { pieceOf, type WalkLimits, walk } from './walk.js';

export interface KeyLook {
  /** Its bytes as latin1. */
  key: string;
  /** Elements that MEMORY USAGE looks at; 0 for all, which of 200,000 holds the server for 20 ms. */
  samples: number;
  walk: WalkLimits;
  /** Whether values may be shown. */
  content: boolean;
  now: number;
  signal?: AbortSignal;
}

type Facts = Omit<KeyMemory, 'target' | 'address' | 'db'>;

/** Bytes of a string that are enough to show its beginning. */
const BEGINNING = 512;

/**
 * One key in depth; undefined when there is none of that name. Reads only. What does not count as
 * an access is asked first, then the elements: since Redis 7.2 these need not count either.
 */
export async function inspectKey(channel: Channel, look: KeyLook): Promise<Facts | undefined> {
  const { key, samples, now } = look;
  const untouched = (await channel.send('CLIENT', 'NO-TOUCH', 'ON')) === 'OK';
  const commands = [
    ['TYPE', key],
    ['PTTL', key],
    ['MEMORY', 'USAGE', key, 'SAMPLES', samples],
    ['OBJECT', 'ENCODING', key],
    ['OBJECT', 'IDLETIME', key],
    ['OBJECT', 'FREQ', key],
    ['OBJECT', 'REFCOUNT', key],
  ];
  const replies = await channel.pipeline(commands);
  const [type, pttl, bytes, encoding, idle, frequency, refcount] = replies as [
    Reply,
    Reply,
    Reply,
    Reply,
    Reply,
    Reply,
    Reply,
  ];
  if (type === 'none' || pttl === -2) return undefined;
  const missing = commands.flatMap((command, index) => refusal(command, replies[index] ?? null));
  if (text(type) === null && number(pttl) === null && number(bytes) === null)
    throw new CacheOpsError(
      'connect',
      `this user may not look at the key: ${missing[0]?.reason}`,
      'ACL SETUSER NAME +type +pttl +memory|usage ~PATTERN',
    );
  const ttl = number(pttl);
  const facts: Facts = {
    type: text(type),
    encoding: text(encoding),
    bytes: number(bytes),
    samples,
    length_bytes: null,
    elements: null,
    ttl_ms: ttl !== null && ttl >= 0 ? ttl : null,
    expires_at: ttl !== null && ttl >= 0 ? new Date(now + ttl).toISOString() : null,
    idle_s: number(idle),
    frequency: number(frequency),
    refcount: number(refcount),
    touched: false,
    walk: null,
    content: null,
    missing,
  };
  return { ...(await withElements(channel, look, facts)), ...(untouched && { touched: false }) };
}

/** What is in it. From here on each command counts as an access. */
async function withElements(channel: Channel, look: KeyLook, facts: Facts): Promise<Facts> {
  const { type } = facts;
  if (type === 'string') return withString(channel, look, facts);
  const counter = COUNTS[type ?? ''];
  // The types of modules have commands of their own.
  if (type === null || counter === undefined) return facts;
  const { key, signal } = look;
  const counted = await channel.send(counter, key);
  const elements = number(counted);
  const missing = [...facts.missing, ...refusal([counter, key], counted)];
  const known = { ...facts, elements, missing, touched: elements !== null };
  try {
    const step = stepFor(facts.bytes, elements ?? 0);
    const reading = { key, elements: elements ?? 0, step };
    const seen = await walk(channel, type, reading, look.walk, signal);
    return { ...known, walk: seen.walk, content: look.content ? seen.pieces : null, touched: true };
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    missing.push({ command: `the elements of a ${type}`, reason: error.message });
    return known;
  }
}

async function withString(channel: Channel, look: KeyLook, facts: Facts): Promise<Facts> {
  const { key, content } = look;
  const commands = [['STRLEN', key], ...(content ? [['GETRANGE', key, 0, BEGINNING - 1]] : [])];
  const replies = await channel.pipeline(commands);
  const [length = null, beginning = null] = replies;
  const start = text(beginning);
  const length_bytes = number(length);
  return {
    ...facts,
    length_bytes,
    content: start === null ? null : [pieceOf(null, start, (length_bytes ?? 0) > start.length)],
    touched: length_bytes !== null || start !== null,
    missing: [
      ...facts.missing,
      ...commands.flatMap((command, index) => refusal(command, replies[index] ?? null)),
    ],
  };
}

const number = (reply: Reply) => (typeof reply === 'number' ? reply : null);
const text = (reply: Reply) => (typeof reply === 'string' ? reply : null);

/**
 * A refused command by its name. Only one of idle time and frequency is kept, by the eviction
 * policy: that the other one is not is no lack.
 */
function refusal(command: readonly (string | number)[], reply: Reply): KeyMemory['missing'] {
  if (!(reply instanceof ReplyError)) return [];
  if (/maxmemory policy/i.test(reply.message)) return [];
  const [verb, sub] = command.map(String);
  const name = verb === 'OBJECT' || verb === 'MEMORY' ? `${verb} ${sub}` : (verb ?? '');
  return [{ command: name, reason: reply.message }];
}
