import { CacheOpsError } from '../../errors.js';
import { type Master, type Masters, withMasters } from '../../keys/masters.js';
import { fromBytes } from '../../keys/names.js';
import type { Limits } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import type { RedisTarget } from '../../redis/target.js';
import type { Read } from '../entry.js';
import { BEGINNINGS, saidByKey } from './keys.js';
import type { Source } from './source.js';

export interface RedisOptions {
  target: RedisTarget;
  kind: 'tasks' | 'sessions';
  /** What stands before `task:import:` in its keys; bytes as latin1. */
  prefix: string;
  largest: number;
  limits: Omit<Limits, 'signal'>;
}

const STEP = 500;
/** So many bytes of values are in memory at a time. */
const PORTION = 8 * 1024 * 1024;

/** The keys of another Redis, by SCAN. What it holds is read as text, with the time that it has to live. */
export function redisSource(options: RedisOptions): Source {
  const { target, limits } = options;
  return {
    description: `Redis ${target.name}`,
    unit: 'key',
    again: true,
    async *read(signal) {
      // A generator cannot live inside of a callback: the work is a queue that is one batch long.
      const { batches, put, end, fail } = handOver<Read[]>();
      const work = withMasters(target, { ...limits, signal }, async (masters) => {
        let place = 1;
        for (const node of masters.nodes)
          for await (const reads of keysOf(masters, node, options, () => place++, signal))
            if (!(await put(reads))) return;
      });
      work.then(end, fail);
      yield* batches;
    },
  };
}

async function* keysOf(
  masters: Masters,
  node: Master,
  { prefix, kind, largest }: RedisOptions,
  place: () => number,
  signal: AbortSignal,
): AsyncGenerator<Read[]> {
  const match = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}${BEGINNINGS[kind]}*`;
  let cursor = '0';
  do {
    signal.throwIfAborted();
    const reply = await node.channel.send('SCAN', cursor, 'MATCH', match, 'COUNT', STEP);
    if (reply instanceof ReplyError)
      throw new CacheOpsError('connect', `${node.address}: SCAN: ${reply.message}`);
    const [next, keys] = reply as [string, string[]];
    cursor = next;
    const facts = await masters.ask(
      node,
      keys.flatMap((key) => [
        ['STRLEN', key],
        ['PTTL', key],
      ]),
    );
    const reads: Read[] = [];
    let portion: Wanted[] = [];
    let bytes = 0;
    for (const [index, key] of keys.entries()) {
      const [length, ttl] = [facts[index * 2] as Reply, facts[index * 2 + 1] as Reply];
      const at = place();
      // It has gone since SCAN named it.
      if (ttl === -2 || length === 0) continue;
      const said = saidByKey(fromBytes(key.slice(prefix.length)).text, kind, at);
      if ('problem' in said) reads.push(said);
      else if (typeof length !== 'number') reads.push(unreadable(at, length));
      else if (length > largest)
        reads.push({
          place: at,
          problem: 'too_large',
          reason: `${length} bytes; ${largest} are the most`,
        });
      else {
        portion.push({ ...said, key, place: at, ttl: typeof ttl === 'number' ? ttl : -1 });
        bytes += length;
        if (bytes < PORTION) continue;
        reads.push(...(await valuesOf(masters, node, portion)));
        portion = [];
        bytes = 0;
      }
    }
    reads.push(...(await valuesOf(masters, node, portion)));
    if (reads.length > 0) yield reads;
  } while (cursor !== '0');
}

interface Wanted extends Exclude<ReturnType<typeof saidByKey>, { problem: unknown }> {
  key: string;
  place: number;
  ttl: number;
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
  return wanted.flatMap(({ key: _, ttl, ...said }, index): Read[] => {
    const value = values[index] as Reply;
    if (value === null) return [];
    if (typeof value !== 'string') return [unreadable(said.place, value)];
    const text = Buffer.from(value, 'latin1');
    return [{ ...said, text, ...(ttl >= 0 && { ttl_ms: ttl }) }];
  });
}

function unreadable(place: number, reply: Reply): Read {
  const said = reply instanceof ReplyError ? reply : undefined;
  return said?.code === 'WRONGTYPE'
    ? { place, problem: 'wrong_type', reason: 'the key holds another type than text' }
    : {
        place,
        problem: 'unsafe',
        reason: `the key cannot be read: ${said?.message ?? 'no answer'}`,
      };
}

/** A queue for one batch between work that pushes and a generator that is asked. */
function handOver<T>() {
  let waiting: ((result: { value: T } | { error: unknown } | undefined) => void) | undefined;
  let held: { value: T } | undefined;
  let taken: ((goOn: boolean) => void) | undefined;
  let ended: { error?: unknown } | undefined;
  async function* batches(): AsyncGenerator<T> {
    try {
      for (;;) {
        const next: { value: T } | { error: unknown } | undefined =
          held ??
          (ended
            ? undefined
            : await new Promise((resolve) => {
                waiting = resolve;
              }));
        held = undefined;
        if (!next || 'error' in next) break;
        yield next.value;
        taken?.(true);
      }
      if (ended && 'error' in ended) throw ended.error;
    } finally {
      taken?.(false);
    }
  }
  const settle = (how: { error?: unknown }) => {
    ended ??= how;
    waiting?.(undefined);
  };
  return {
    batches: batches(),
    put(value: T): Promise<boolean> {
      const done = new Promise<boolean>((resolve) => {
        taken = resolve;
      });
      if (waiting) {
        const deliver = waiting;
        waiting = undefined;
        deliver({ value });
      } else held = { value };
      return done;
    },
    end: () => settle({}),
    fail: (error: unknown) => settle({ error }),
  };
}
