import { performance } from 'node:perf_hooks';
import { isDeepStrictEqual } from 'node:util';
import { type Channel, demand } from '../../redis/channel.js';
import type { Reply } from '../../redis/resp.js';
import { redisOf, withChannel } from './with-channel.js';
import type { CallWitness } from './witness.js';

/** Of each type. */
const EACH = 20;
/** All of them end by themselves, should nobody be left to remove them. */
const TTLS = [3_600_000, 7_200_000] as const;
/** Milliseconds by which a time to live may be off: PTTL is asked a while after it was set. */
const TOLERANCE = 1_500;

/** How a value of each type is written and read back; `n` makes it another one each time. */
const KINDS = {
  string: { write: (n: number) => ['SET', `value ${n}`], read: ['GET'] },
  hash: { write: (n: number) => ['HSET', 'a', `${n}`, 'b', 'x'.repeat(n)], read: ['HGETALL'] },
  list: { write: (n: number) => ['RPUSH', 'a', `${n}`, 'c'], read: ['LRANGE', '0', '-1'] },
  set: { write: (n: number) => ['SADD', `${n}`], read: ['SMEMBERS'] },
  zset: {
    write: (n: number) => ['ZADD', `${n}`, 'a', '1.5', 'b'],
    read: ['ZRANGE', '0', '-1', 'WITHSCORES'],
  },
  stream: { write: (n: number) => ['XADD', `1-${n + 1}`, 'a', `${n}`], read: ['XRANGE', '-', '+'] },
} as const;

/** Writes keys of every type and holds each, value and time to live, against what it is after a restart. */
export const callData: CallWitness = async (stand, limits) => {
  const { prefix } = stand;
  const access = redisOf(stand);
  const keys = Object.entries(KINDS).flatMap(([kind, { write, read }]) =>
    Array.from({ length: EACH }, (_, n) => {
      const key = `${prefix}:data:${kind}:${n}`;
      const [command = '', ...rest] = write(n);
      const [question, ...range] = read;
      return {
        key,
        write: [command, key, ...rest],
        read: [question, key, ...range],
        ttl: TTLS[n % 2] ?? 0,
      };
    }),
  );
  const readAll = async (channel: Channel): Promise<{ value: Reply; ttl: number }[]> => {
    const values = await channel.pipeline(keys.map(({ read }) => read));
    const ttls = await channel.pipeline(keys.map(({ key }) => ['PTTL', key]));
    return values.map((value, index) => ({ value: demand(value), ttl: Number(ttls[index]) }));
  };
  const before = await withChannel(access, limits, async (channel) => {
    const commands = keys.flatMap(({ key, write, ttl }) => [write, ['PEXPIRE', key, ttl]]);
    for (const reply of await channel.pipeline(commands)) demand(reply);
    return readAll(channel);
  });
  const since = performance.now();
  return {
    async check(now) {
      const after = await withChannel(access, now, readAll);
      const passed = performance.now() - since;
      const wrong = keys.filter((_, index) => {
        const [then, is] = [before[index], after[index]];
        return (
          !isDeepStrictEqual(is?.value, then?.value) ||
          Math.abs((is?.ttl ?? 0) - ((then?.ttl ?? 0) - passed)) > TOLERANCE
        );
      });
      const [first] = wrong;
      return {
        problems: first
          ? [
              `${wrong.length} of ${keys.length} keys written before are not as they were after it, such as ${first.key}`,
            ]
          : [],
        says: `all ${keys.length} keys written before, of ${Object.keys(KINDS).length} types, are as they were, with their times to live`,
        facts: { data_keys: keys.length, data_wrong: wrong.length },
      };
    },
    async remove(now) {
      const names = keys.map(({ key }) => key);
      await withChannel(access, now, (channel) => channel.send('DEL', ...names)).catch(() => {});
    },
  };
};
