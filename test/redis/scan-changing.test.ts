import { describe, expect, it } from 'vitest';
import type { Channel } from '../../src/redis/channel.js';
import { redisForTest } from '../commands/pinging.js';
import { until } from '../servers/wait.js';
import { ALL, connected, type Scanned, scan, sendAll, strings } from './scanning.js';

/** Its cron runs often, so that tables shrink soon after their keys are gone. */
const restless = () =>
  redisForTest({ config: ['hz 500', 'dynamic-hz no', 'enable-debug-command local'] });

/** Buckets of the table of database 0; of both while it is rehashed. */
async function buckets(channel: Channel): Promise<number[]> {
  const text = String(await channel.send('DEBUG', 'HTSTATS', 0));
  const [main = ''] = text.split('[Expires HT]');
  return [...main.matchAll(/table size: (\d+)/g)].map(([, size]) => Number(size));
}

async function remove(channel: Channel, prefix: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += 2_000) {
    const length = Math.min(2_000, count - from);
    const keys = Array.from({ length }, (_, index) => `${prefix}${from + index}`);
    await channel.send('UNLINK', ...keys);
  }
}

const PERMANENT = 6_000;

/** Runs `change` when a scan has seen `after` keys, and waits for both. */
async function scanWhile(
  port: number,
  { cursors, after, duty = 0.2 }: { cursors: number; after: number; duty?: number },
  change: () => Promise<void>,
): Promise<Scanned> {
  let changing: Promise<void> | undefined;
  let seen = 0;
  let isDone = false;
  let doneBefore = false;
  const ask = { ...ALL, ttl: false };
  const result = await scan(
    port,
    { ask, cursors, pace: { duty, maxLatencyMs: null } },
    {
      onKey() {
        seen += 1;
        if (seen === after)
          changing = change().then(() => {
            doneBefore = !isDone;
          });
      },
    },
  );
  isDone = true;
  await changing;
  expect(doneBefore, 'the change was over before the scan').toBe(true);
  return result;
}

function expectPermanentOnce({ facts, repeated, end }: Scanned) {
  expect(end).toMatchObject({ reason: 'done' });
  expect(end.databases).toMatchObject([{ complete: true, short: false }]);
  const missed = strings(PERMANENT).filter(([, key]) => !facts.has(`0/${key}`));
  expect(missed).toEqual([]);
  expect([...repeated].filter(([name]) => name.startsWith('0/key:'))).toEqual([]);
}

describe('keys that are there all along are seen once, with 1, 4 and 16 cursors', () => {
  it.each([1, 4, 16])('while the table grows (%i)', async (cursors) => {
    const redis = await restless();
    const channel = await connected(redis.port);
    await sendAll(channel, [...strings(PERMANENT), ...strings(9_000, 'more:')]);
    const before = await buckets(channel);
    const result = await scanWhile(redis.port, { cursors, after: 4_000, duty: 0.25 }, () =>
      sendAll(channel, strings(25_000, 'new:')),
    );
    expect(Math.max(...(await buckets(channel)))).toBeGreaterThanOrEqual(2 * Math.max(...before));
    expectPermanentOnce(result);
    expect(result.end.databases[0]?.may_repeat).toBe(false);
  });

  it.each([1, 4, 16])('while the table shrinks (%i)', async (cursors) => {
    const redis = await restless();
    const channel = await connected(redis.port);
    const more = 150_000;
    await sendAll(channel, [...strings(PERMANENT), ...strings(more, 'more:')]);
    const [before = 0] = await buckets(channel);
    const result = await scanWhile(redis.port, { cursors, after: 40_000 }, async () => {
      await remove(channel, 'more:', more);
      const isSmaller = async () => Math.min(...(await buckets(channel))) <= before / 8;
      await until(isSmaller, { what: 'the table to shrink' });
    });
    expectPermanentOnce(result);
    expect(result.end.databases[0]?.may_repeat).toBe(false);
    expect(result.end.databases[0]?.keys_after).toBe(PERMANENT);
  });

  it('while it grows and shrinks by turns', async () => {
    const redis = await restless();
    const channel = await connected(redis.port);
    const more = 120_000;
    await sendAll(channel, [...strings(PERMANENT), ...strings(more, 'more:')]);
    const result = await scanWhile(
      redis.port,
      { cursors: 8, after: 20_000, duty: 0.03 },
      async () => {
        for (const turn of [1, 2]) {
          await remove(channel, 'more:', more);
          await until(async () => Math.min(...(await buckets(channel))) <= 16_384, {
            what: 'the table to shrink',
          });
          if (turn === 1) await sendAll(channel, strings(more, 'more:'));
        }
      },
    );
    expectPermanentOnce(result);
  });
});

describe('a table that changes', () => {
  it('says that keys may come twice when nearly all keys of it go at once', async () => {
    const redis = await restless();
    const channel = await connected(redis.port);
    await sendAll(channel, [...strings(40), ...strings(150_000, 'more:')]);
    const result = await scanWhile(redis.port, { cursors: 4, after: 40_000 }, () =>
      remove(channel, 'more:', 150_000),
    );
    expect(result.end.databases[0]?.may_repeat).toBe(true);
    for (const [, key] of strings(40)) expect(result.facts.has(`0/${key}`)).toBe(true);
  });

  it('counts keys that go between SCAN and the questions as vanished', async () => {
    const redis = await restless();
    const channel = await connected(redis.port);
    await sendAll(channel, [...strings(PERMANENT), ...strings(60_000, 'more:')]);
    const result = await scanWhile(redis.port, { cursors: 16, after: 10_000, duty: 0.1 }, () =>
      remove(channel, 'more:', 60_000),
    );
    const [database] = result.end.databases;
    expect(database?.seen).toBe(result.facts.size);
    expect(database?.vanished).toBeGreaterThan(0);
    expectPermanentOnce(result);
  });
});
