import { CacheOpsError } from '../../errors.js';
import { type Master, type Masters, withMasters } from '../../keys/masters.js';
import { fromBytes } from '../../keys/names.js';
import { escapeGlob } from '../../keys/pattern.js';
import { type Batch, walkKeys } from '../../keys/walk.js';
import type { Limits } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import type { RedisTarget } from '../../redis/target.js';
import type { Read } from '../entry.js';
import type { Kind } from '../kinds.js';
import { readDumps } from './dumps.js';
import { BEGINNINGS, saidByKey } from './keys.js';
import type { Source } from './source.js';

export interface RedisOptions {
  target: RedisTarget;
  kind: Exclude<Kind, 'jobs'>;
  /** What stands before `task:import:` in its keys; bytes as latin1. */
  prefix: string;
  largest: number;
  limits: Omit<Limits, 'signal'>;
}

/** So many bytes of values are in memory at a time. */
export const PORTION = 8 * 1024 * 1024;

/**
 * The keys of another Redis. What it holds is read as text, or dumped where keys of any type are wanted, with
 * the time that it has to live. Throws
 * `connect` where not every key was seen: what a plan does not have would be lost.
 */
export function redisSource(options: RedisOptions): Source {
  const { target, limits } = options;
  return {
    description: `Redis ${target.name}`,
    unit: 'key',
    again: true,
    async *read(signal) {
      const { readable, writable } = new TransformStream<Read[], Read[]>();
      const writer = writable.getWriter();
      const work = withMasters(target, { ...limits, signal }, (masters) =>
        readAll(masters, options, (reads) => writer.write(reads), signal),
      ).then(
        () => writer.close(),
        (error) => writer.abort(error),
      );
      try {
        yield* readable;
      } finally {
        // It ends when what it writes is not read any more.
        await work.catch(() => {});
      }
    },
  };
}

async function readAll(
  masters: Masters,
  options: RedisOptions,
  put: (reads: Read[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { prefix, kind } = options;
  const match = `${escapeGlob(prefix)}${kind === 'keys' ? '' : BEGINNINGS[kind]}*`;
  const readBatch = kind === 'keys' ? readDumps : readTexts;
  let place = 0;
  let turn = Promise.resolve();
  // The masters come at the same time; one batch of values is in memory.
  const take = (batch: Batch) => {
    const first = place + 1;
    place += batch.keys.length + batch.unreadable.length;
    turn = turn.then(() => readBatch(masters, batch, options, first, put));
    return turn;
  };
  const seen = await walkKeys(
    masters,
    { match, facts: true, sizes: kind === 'keys' },
    take,
    signal,
  );
  signal.throwIfAborted();
  if (seen.complete && !seen.slots_moved) return;
  throw new CacheOpsError(
    'connect',
    `not every key of ${options.target.name} was seen${seen.slots_moved ? ': slots of the cluster moved' : ''}`,
    'nothing was changed; try again',
  );
}

async function readTexts(
  masters: Masters,
  { master, keys, unreadable }: Batch,
  { prefix, kind, largest }: RedisOptions,
  first: number,
  put: (reads: Read[]) => Promise<void>,
): Promise<void> {
  const lengths = await masters.ask(
    master,
    keys.map(({ key }) => ['STRLEN', key]),
  );
  const reads: Read[] = unreadable.map((_, index) =>
    notRead(first + keys.length + index, 'hidden by the ACL of this user'),
  );
  let portion: Wanted[] = [];
  let bytes = 0;
  for (const [index, { key, ttl_ms }] of keys.entries()) {
    const [length, place] = [lengths[index] as Reply, first + index];
    // It has gone since it was named.
    if (length === 0) continue;
    const said = saidByKey(fromBytes(key.slice(prefix.length)).text, kind as 'tasks', place);
    if ('problem' in said) reads.push(said);
    else if (typeof length !== 'number') reads.push(refusedRead(place, length));
    else if (length > largest)
      reads.push({
        place,
        problem: 'too_large',
        reason: `${length} bytes; ${largest} are the most`,
      });
    else {
      portion.push({ ...said, key, place, ttl_ms });
      bytes += length;
      if (bytes < PORTION) continue;
      await put([...reads.splice(0), ...(await valuesOf(masters, master, portion))]);
      portion = [];
      bytes = 0;
    }
  }
  reads.push(...(await valuesOf(masters, master, portion)));
  if (reads.length > 0) await put(reads);
}

interface Wanted extends Exclude<ReturnType<typeof saidByKey>, { problem: unknown }> {
  key: string;
  place: number;
  ttl_ms: number | null;
}

async function valuesOf(
  masters: Masters,
  node: Master,
  wanted: readonly Wanted[],
): Promise<Read[]> {
  const values = await masters.ask(
    node,
    wanted.map(({ key }) => ['GET', key]),
  );
  return wanted.flatMap(({ key: _, ttl_ms, ...said }, index): Read[] => {
    const value = values[index] as Reply;
    if (value === null) return [];
    if (typeof value !== 'string') return [refusedRead(said.place, value)];
    const text = Buffer.from(value, 'latin1');
    return [{ ...said, text, ...(ttl_ms !== null && { ttl_ms }) }];
  });
}

function refusedRead(place: number, reply: Reply): Read {
  const said = reply instanceof ReplyError ? reply : undefined;
  if (said?.code === 'WRONGTYPE')
    return {
      place,
      problem: 'wrong_type',
      reason: 'the key holds another type than text: --kind keys takes it',
    };
  return notRead(place, said?.message ?? 'no answer');
}

export const notRead = (place: number, why: string): Read => ({
  place,
  problem: 'unsafe',
  reason: `the key cannot be read: ${why}`,
});
