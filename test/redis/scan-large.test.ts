import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/redis/channel.js';
import { redisForTest } from '../commands/pinging.js';
import { type Args, connected, names, scan, sendAll, strings } from './scanning.js';

/** A sorted set over 1 MB whose first members have the shortest names. */
function zset(key: string, members: number): Args[] {
  const all = Array.from({ length: members }, (_, n) => [n, `m:${n}`]);
  return Array.from({ length: Math.ceil(members / 1_000) }, (_, at) => [
    'ZADD',
    key,
    ...all.slice(at * 1_000, (at + 1) * 1_000).flat(),
  ]);
}

const sizeOf = (channel: Channel, key: string, samples: number) =>
  channel.send('MEMORY', 'USAGE', key, 'SAMPLES', samples);

describe('a large sorted set', () => {
  it('is measured with more samples: those of the lowest scores are not like the others', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    await sendAll(channel, [...strings(2_000), ...zset('large', 50_000), ...zset('small', 3_000)]);
    const exact = Number(await sizeOf(channel, 'large', 0));
    expect(Number(await sizeOf(channel, 'large', 2_000)) / exact).toBeLessThan(0.95);
    const { facts } = await scan(redis.port);
    const measured = (facts.get('0/large')?.bytes ?? 0) / exact;
    // A busy machine looks like a call that takes long, after which there are no more.
    expect(measured).toBeGreaterThan(0.97);
    expect(measured).toBeLessThan(1.01);
    expect(facts.get('0/small')?.bytes).toBe(await sizeOf(channel, 'small', 2_000));
  });

  it('is not overtaken: a position never lies behind a key that the sink has not got', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    await sendAll(channel, strings(20_000));
    for (let n = 0; n < 15; n += 1) await sendAll(channel, zset(`large:${n}`, 12_000));
    const whole = names(await scan(redis.port));
    for (const cursors of [1, 8]) {
      for (const share of [0.2, 0.5, 0.8]) {
        const abort = new AbortController();
        let seen = 0;
        const onKey = () => {
          seen += 1;
          if (seen > share * 20_000) abort.abort();
        };
        const first = await scan(redis.port, { cursors }, { signal: abort.signal, onKey });
        if (!first.end.position) throw new Error('no position');
        const rest = await scan(redis.port, { resume: first.end.position }, { into: first });
        expect([names(rest), rest.repeated.size]).toEqual([whole, 0]);
      }
    }
  });
});
