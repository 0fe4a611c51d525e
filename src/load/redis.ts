import { CacheOpsError } from '../errors.js';
import { cgroupLimit } from '../redis/cgroup.js';
import { type Channel, demand, type Limits } from '../redis/channel.js';
import { parseInfo } from '../redis/info.js';
import { countedIn, memoryOf } from '../redis/memory.js';
import { openOwner } from '../redis/owner.js';
import type { RedisTarget } from '../redis/target.js';
import { bytesText, percentText } from '../words.js';
import type { LoadClient, Subject } from './load.js';

/** Milliseconds: whatever happens to us, every key goes by itself after this. */
const LIFETIME = 600_000;
const CHUNK = 500;
/** The test must not bring the server to its limit, where it evicts other keys or refuses writes. */
const MOST_MEMORY = 0.8;

/** Straight at Redis, one connection a client. `prefix` is the beginning of every key, as bytes. */
export function redisSubject(
  target: RedisTarget,
  prefix: string,
  value: string,
  { timeout }: Limits,
): Subject {
  // One hash tag: in a cluster all keys are on one master, and that one is measured.
  const keyOf = (number: number) => `${prefix}${number}`;
  const open = () => openOwner(target, keyOf(0), { timeout });
  return {
    async open(): Promise<LoadClient> {
      const { channel } = await open();
      return {
        async write(number) {
          demand(await channel.send('SET', keyOf(number), value, 'PX', LIFETIME));
        },
        async read(number) {
          const reply = demand(await channel.send('GET', keyOf(number)));
          if (reply === null) throw new Error('a value is missing');
          if (reply !== value) throw new Error('another value was read');
        },
        close: () => channel.close(),
      };
    },
    async remove(count) {
      const { channel } = await open();
      try {
        for (let at = 0; at < count; at += CHUNK) {
          const numbers = Array.from(
            { length: Math.min(CHUNK, count - at) },
            (_, index) => at + index,
          );
          demand(await channel.send('UNLINK', ...numbers.map(keyOf)));
        }
        return { keys: 0, reason: null };
      } finally {
        channel.close();
      }
    },
  };
}

/** Refuses what would take the server over 80 % of its limit. */
export async function demandRoom(
  target: RedisTarget,
  prefix: string,
  bytes: number,
  limits: Limits,
): Promise<void> {
  const { channel } = await openOwner(target, `${prefix}0`, limits);
  try {
    const { used, limit } = await roomOf(channel, target);
    if (used === null || limit === null || used + bytes <= limit * MOST_MEMORY) return;
    throw new CacheOpsError(
      'refused',
      `${target.name} has ${bytesText(used)} of ${bytesText(limit)} in use: ${bytesText(bytes)} more would take it over ${percentText(MOST_MEMORY)}`,
      'fewer writes or a smaller --size',
    );
  } finally {
    channel.close();
  }
}

async function roomOf(channel: Channel, { config, seeds }: RedisTarget) {
  const reply = await channel.send('INFO');
  const info = typeof reply === 'string' ? parseInfo(reply) : {};
  const [seed] = seeds;
  const cgroup = seed && cgroupLimit(seed.endpoint, info);
  const { limit_bytes } = memoryOf(info, { capacity: config.capacity, cgroup });
  return { used: countedIn(info), limit: limit_bytes };
}
