import type { Masters } from '../keys/masters.js';
import { fromBytes } from '../keys/names.js';
import { escapeGlob } from '../keys/pattern.js';
import { type Batch, walkKeys } from '../keys/walk.js';
import type { Reply } from '../redis/resp.js';
import { nameOf } from './keys.js';

/** The record of an execution; times are ISO. */
export interface ExecutionFacts {
  id: string;
  key: string;
  /** `orphaned`: executing by its record, without a lock: its process died. */
  state: 'executing' | 'orphaned' | 'completed' | 'failed' | 'unknown';
  owner: string | null;
  fence: number | null;
  progress: number | null;
  message: string | null;
  error: string | null;
  started_at: string | null;
  ended_at: string | null;
  ttl_ms: number | null;
  /** State and fence as the record has them: what a clearing compares. */
  seen: { state: string; fence: string };
}

/** Every record under `{prefix}:{env}:execution:`, by id, with whether somebody holds its lock. Reads only. */
export async function listExecutions(
  masters: Masters,
  prefix: string,
  signal: AbortSignal,
): Promise<ExecutionFacts[]> {
  const before = `${prefix}execution:`;
  const found = new Map<string, ExecutionFacts>();
  const take = async ({ master, keys }: Batch) => {
    const replies = await masters.ask(
      master,
      // The lock first: one that ends in between is then completed, not orphaned.
      keys.flatMap(({ key }) => [
        ['EXISTS', lockKey(key, prefix)],
        ['HGETALL', key],
      ]),
    );
    for (const [index, { key, ttl_ms }] of keys.entries()) {
      const [locked, fields] = replies.slice(2 * index, 2 * index + 2) as [Reply, Reply];
      const facts = read(key, before, { locked: locked === 1, fields, ttl_ms });
      if (facts) found.set(key, facts);
    }
  };
  await walkKeys(
    masters,
    { match: `${escapeGlob(before)}*`, facts: true, sizes: false, type: 'hash' },
    take,
    signal,
  );
  signal.throwIfAborted();
  return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const lockKey = (key: string, prefix: string) =>
  `${prefix}lock:execution:${key.slice(`${prefix}execution:`.length)}`;

function read(
  key: string,
  before: string,
  { locked, fields, ttl_ms }: { locked: boolean; fields: Reply; ttl_ms: number | null },
): ExecutionFacts | undefined {
  if (!Array.isArray(fields) || fields.length === 0) return undefined;
  const record = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2)
    record.set(String(fields[at]), fromBytes(String(fields[at + 1])).text);
  const text = (name: string) => record.get(name) ?? null;
  const number = (name: string) => (record.has(name) ? Number(record.get(name)) : null);
  const state = text('state');
  return {
    id: fromBytes(nameOf(key, before)).text,
    key,
    state:
      state === 'executing'
        ? locked
          ? 'executing'
          : 'orphaned'
        : state === 'completed' || state === 'failed'
          ? state
          : 'unknown',
    owner: text('owner'),
    fence: number('fence'),
    progress: number('progress'),
    message: text('message'),
    error: text('error'),
    started_at: text('startedAt'),
    ended_at: text('endedAt'),
    ttl_ms,
    seen: { state: state ?? '', fence: text('fence') ?? '' },
  };
}

/** Removes a record only while it is as it was seen and nobody holds its lock. */
const CLEAR = `
local state, fence = unpack(redis.call('HMGET', KEYS[1], 'state', 'fence'))
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
if (state or '') ~= ARGV[1] or (fence or '') ~= ARGV[2] then return 'changed' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'locked' end
redis.call('DEL', KEYS[1])
return 'cleared'`;

export type Clearing = 'cleared' | 'gone' | 'changed' | 'locked';

export async function clearExecution(
  masters: Masters,
  prefix: string,
  { key, seen }: ExecutionFacts,
): Promise<Clearing> {
  const owner = await masters.owner(key);
  const command = ['EVAL', CLEAR, 2, key, lockKey(key, prefix), seen.state, seen.fence];
  const [reply] = await masters.ask(owner, [command]);
  if (typeof reply === 'string' && /^(cleared|gone|changed|locked)$/.test(reply))
    return reply as Clearing;
  throw reply instanceof Error ? reply : new Error('the script gave no answer');
}
