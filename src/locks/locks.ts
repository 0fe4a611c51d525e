import type { Masters } from '../keys/masters.js';
import { fromBytes } from '../keys/names.js';
import { escapeGlob } from '../keys/pattern.js';
import { type Batch, walkKeys } from '../keys/walk.js';
import { nameOf } from './keys.js';

/** A lock as it stands. Applications store a token, or JSON with token, owner, fence and since. */
export interface LockFacts {
  name: string;
  /** As Redis has it, as bytes. */
  key: string;
  token: string;
  owner: string | null;
  fence: number | null;
  held_since: string | null;
  /** Milliseconds it has left; null: it never lapses, and a holder that dies keeps it for ever. */
  ttl_ms: number | null;
  /** The value whole: what a release compares. */
  value: string;
}

/** Every lock under `{prefix}:{env}:lock:`, by name. Reads only. */
export async function listLocks(
  masters: Masters,
  prefix: string,
  signal: AbortSignal,
): Promise<LockFacts[]> {
  const before = `${prefix}lock:`;
  const found = new Map<string, LockFacts>();
  const take = async ({ master, keys }: Batch) => {
    const locks = keys.filter(({ key }) => !key.endsWith(':fence'));
    const values = await masters.ask(
      master,
      locks.map(({ key }) => ['GET', key]),
    );
    for (const [index, { key, ttl_ms }] of locks.entries()) {
      const value = values[index];
      // Null: it has lapsed meanwhile.
      if (typeof value === 'string') found.set(key, read(key, before, value, ttl_ms));
    }
  };
  await walkKeys(
    masters,
    { match: `${escapeGlob(before)}*`, facts: true, sizes: false, type: 'string' },
    take,
    signal,
  );
  signal.throwIfAborted();
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function read(key: string, before: string, value: string, ttl_ms: number | null): LockFacts {
  const lock = parse(fromBytes(value).text);
  return {
    name: fromBytes(nameOf(key, before)).text,
    key,
    token: typeof lock.token === 'string' ? lock.token : fromBytes(value).text,
    owner: typeof lock.owner === 'string' ? lock.owner : null,
    fence: typeof lock.fence === 'number' ? lock.fence : null,
    held_since: typeof lock.since === 'string' ? lock.since : null,
    ttl_ms,
    value,
  };
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Deletes a lock only while it is the one that was seen: it may have lapsed and be another's. */
const RELEASE = `
local now = redis.call('GET', KEYS[1])
if not now then return 'gone' end
if now ~= ARGV[1] then return 'changed' end
redis.call('DEL', KEYS[1])
return 'released'`;

export type Release = 'released' | 'gone' | 'changed';

export async function releaseLock(masters: Masters, { key, value }: LockFacts): Promise<Release> {
  const owner = await masters.owner(key);
  const [reply] = await masters.ask(owner, [['EVAL', RELEASE, 1, key, value]]);
  if (reply === 'released' || reply === 'gone' || reply === 'changed') return reply;
  throw reply instanceof Error ? reply : new Error('the script gave no answer');
}
