import type { Channel } from '../channel.js';
import { type Reply, ReplyError } from '../resp.js';
import type { Missing, ScanOptions } from './types.js';

/** What is asked of each key, in this order. */
export type Column = 'type' | 'size' | 'ttl';

/** The commands of a scan, as this server and this user allow them. */
export interface Plan {
  columns: readonly Column[];
  /** SCAN's own options: MATCH, TYPE. */
  filter: readonly string[];
  /** Keys of other types are left out by us: SCAN has no TYPE before Redis 6. */
  onlyType: string | undefined;
  /** The type of every key, where SCAN has chosen by it. */
  knownType: string | undefined;
  /** Keys that may have more elements than SAMPLES are asked about once more, with all of them. */
  exact: boolean;
  /** No MEMORY USAGE: lengths are asked once the types are known. */
  estimated: boolean;
  missing: Missing[];
  lookups: { hits: number; misses: number };
}

/** A name that nobody has; what cannot be asked of it cannot be asked of any key. */
export const NOBODY = 'cache-ops:no-such-key';

/**
 * Finds out which of the wanted commands are there. Throws ReplyError when SCAN itself is not: then
 * there is no scan. The look-ups of a missing key are in `lookups`.
 */
export async function planQuestions(channel: Channel, options: ScanOptions): Promise<Plan> {
  const { ask, type, match } = options;
  const wantsSize = ask.size !== 'none';
  const missing: Missing[] = [];
  const first = await channel.send('SCAN', '0', 'COUNT', 1);
  if (first instanceof ReplyError) throw first;
  // Only what is needed is tried: each refusal leaves a line in the server's ACL LOG.
  const has = async (command: string[], instead: string) => {
    const reply = await channel.send(...command);
    const why = refusal(reply);
    if (why)
      missing.push({ command: command.slice(0, command.indexOf(NOBODY)).join(' '), why, instead });
    return !why;
  };
  const byType =
    type === undefined ? null : await channel.send('SCAN', '0', 'COUNT', 1, 'TYPE', type);
  const typeInScan = type !== undefined && !(byType instanceof ReplyError);
  const canSize =
    wantsSize &&
    (await has(['MEMORY', 'USAGE', NOBODY, 'SAMPLES', '1'], 'estimated by STRLEN, HLEN, LLEN...'));
  const wantsType = !typeInScan && (ask.type || type !== undefined || (wantsSize && !canSize));
  const canType = wantsType && (await has(['TYPE', NOBODY], 'the types of keys are not known'));
  const canTtl = ask.ttl && (await has(['PTTL', NOBODY], 'the times to live are not known'));
  if (byType instanceof ReplyError && !canType)
    throw new ReplyError(`${byType.message} (keys cannot be chosen by type)`);
  const columns: Column[] = [];
  if (canType) columns.push('type');
  if (canSize) columns.push('size');
  if (canTtl) columns.push('ttl');
  const matching = match === undefined ? [] : ['MATCH', match];
  return {
    columns,
    filter: [...matching, ...(typeInScan ? ['TYPE', type] : [])],
    onlyType: typeInScan ? undefined : type,
    knownType: typeInScan ? type : undefined,
    exact: ask.size === 'exact' && canSize,
    estimated: wantsSize && !canSize && (canType || typeInScan),
    missing,
    lookups: { hits: 0, misses: Number(canType) + Number(canTtl) },
  };
}

/** Why a command cannot be used at all; undefined when it can, though perhaps not for this key. */
export function refusal(reply: Reply): Missing['why'] | undefined {
  if (!(reply instanceof ReplyError)) return undefined;
  // A user without rights to the key is told so in other words:
  // https://github.com/redis/redis/blob/7.0/src/acl.c (getAclErrorMessage).
  if (reply.code === 'NOPERM') return isKeyRefusal(reply) ? undefined : 'not permitted';
  return /unknown|syntax|disabled|not (supported|allowed)|wrong number/i.test(reply.message)
    ? 'unknown'
    : undefined;
}

export function isKeyRefusal(error: ReplyError): boolean {
  return error.code === 'NOPERM' && /access (one of the keys|a key)/i.test(error.message);
}

/**
 * Of how many elements MEMORY USAGE measures the size before it reckons. Of a key with fewer it is exact;
 * of others but sorted sets within 1.1 %, where the default of 5 is off by up to 20 %.
 */
const SAMPLES = 2_000;

/** No element of a hash table, skip list or quicklist with one element a node takes less (bytes). */
const SMALLEST_ELEMENT = 16;

/** Whether a size of SAMPLES may be reckoned: the key may have more elements. */
export function mayBeReckoned(type: string | undefined, bytes: number): boolean {
  return type !== 'string' && bytes > SAMPLES * SMALLEST_ELEMENT;
}

/**
 * Of a sorted set the samples are the members of the lowest scores, and often those have shorter names: `m:9`
 * before `m:100000`, which made one 7 % too small. Below this size (bytes) the difference is lost in the sum.
 */
const LARGE = 1024 * 1024;

/** Whether a size of SAMPLES is that of members that may not be like the others. */
export function isSampledInOrder(type: string | undefined, bytes: number): boolean {
  return type === 'zset' && bytes >= LARGE;
}

/** Writes the questions for a key as RESP. */
export function asker({ columns }: Plan): (key: string) => string {
  const wants = (column: Column) => columns.includes(column);
  const [type, size, ttl] = [wants('type'), wants('size'), wants('ttl')];
  const tail = `$7\r\nSAMPLES\r\n$${String(SAMPLES).length}\r\n${SAMPLES}\r\n`;
  return (key) => {
    const bulk = `$${key.length}\r\n${key}\r\n`;
    let text = '';
    if (type) text += `*2\r\n$4\r\nTYPE\r\n${bulk}`;
    if (size) text += `*5\r\n$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n${bulk}${tail}`;
    if (ttl) text += `*2\r\n$4\r\nPTTL\r\n${bulk}`;
    return text;
  };
}
