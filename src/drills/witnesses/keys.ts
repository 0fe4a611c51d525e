import { performance } from 'node:perf_hooks';
import { type Channel, demand, type Limits } from '../../redis/channel.js';
import { numberIn, parseInfo } from '../../redis/info.js';
import type { Access } from '../../redis/target.js';
import { redisOf, withChannel } from './with-channel.js';
import type { CallWitness } from './witness.js';

/** Of a key space that is larger these are looked at: SCAN gives them in no order of theirs. */
const LIMIT = 100_000;
const STEP = 1_000;
/** Keys that end within these ms are not counted: of itself, or by volatile-ttl before the drill's own. */
const SOON = 45_000;

/** Looks for every key that was there before, and had no reason to end; something must have been evicted. */
export const callKeysOfFull = keysWitness(true);
/** The same for a drill that evicts nothing. */
export const callKeys = keysWitness(false);

function keysWitness(full: boolean): CallWitness {
  return async (stand, limits) => {
    const { prefix } = stand;
    const access = redisOf(stand);
    const [lasting, before] = await withBytes(access, limits, async (channel) => [
      await census(channel, prefix),
      await evictions(channel),
    ]);
    return {
      async check(now) {
        const [gone, after] = await withBytes(access, now, async (channel) => [
          await missing(channel, lasting),
          await evictions(channel),
        ]);
        const evicted = after - before;
        const expected = [...lasting.values()].filter(
          (until) => until > performance.now() + SOON,
        ).length;
        return {
          problems: [
            ...(full && evicted === 0 ? ['nothing was evicted: it was not full'] : []),
            ...(gone > 0
              ? [
                  `${gone} of ${expected} keys that were there before are gone: evicted, or deleted by their owner`,
                ]
              : []),
          ],
          says: `${full ? `${evicted} of the drill's keys were evicted, and ` : ''}all ${expected} keys of applications are there`,
          facts: { ...(full && { evicted }), keys_checked: expected, keys_gone: gone },
        };
      },
      async remove() {},
    };
  };
}

/** Each key and when it ends, on the clock of this process; never for one without a time to live. */
async function census(channel: Channel, prefix: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  let cursor = '0';
  do {
    const reply = demand(await channel.send('SCAN', cursor, 'COUNT', STEP));
    const [next, list] = Array.isArray(reply) ? reply : ['0', []];
    cursor = String(next);
    const keys = (Array.isArray(list) ? list.map(String) : []).filter(
      (key) => !key.startsWith(prefix),
    );
    const ttls = await channel.pipeline(keys.map((key) => ['PTTL', key]));
    keys.forEach((key, index) => {
      const ttl = Number(ttls[index]);
      if (ttl !== -2) found.set(key, ttl < 0 ? Number.POSITIVE_INFINITY : performance.now() + ttl);
    });
  } while (cursor !== '0' && found.size < LIMIT);
  return found;
}

async function missing(channel: Channel, keys: Map<string, number>): Promise<number> {
  const due = [...keys].filter(([, until]) => until > performance.now() + SOON);
  let gone = 0;
  for (let at = 0; at < due.length; at += STEP) {
    const part = due.slice(at, at + STEP);
    const there = await channel.pipeline(part.map(([key]) => ['EXISTS', key]));
    gone += there.filter((reply) => Number(demand(reply)) === 0).length;
  }
  return gone;
}

async function evictions(channel: Channel): Promise<number> {
  const info = parseInfo(String(demand(await channel.send('INFO', 'stats'))));
  return numberIn(info, 'evicted_keys') ?? 0;
}

/** Names need not be UTF-8. */
function withBytes<T>(
  access: Access,
  limits: Limits,
  work: (channel: Channel) => Promise<T>,
): Promise<T> {
  return withChannel(access, limits, (channel) => {
    channel.speakBytes();
    return work(channel);
  });
}
