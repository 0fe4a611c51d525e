import { describe, expect, it, onTestFinished } from 'vitest';
import { scanServer } from '../../src/redis/scan/scan.js';
import { redisForTest } from '../commands/pinging.js';
import { ALL, at, connected, scan, sendAll, strings, twoDatabases } from './scanning.js';

const slowly = { duty: 0.15, maxLatencyMs: null };

describe('a scan ends with a word and a position when', () => {
  it('the server is killed', async () => {
    const { redis } = await twoDatabases();
    const { end, facts } = await scan(
      redis.port,
      { pace: slowly },
      { onKey: () => redis.kill('SIGKILL') },
    );
    expect(end).toMatchObject({ reason: 'lost', detail: expect.stringMatching(/closed|ECONN/) });
    expect(facts.size).toBeGreaterThan(0);
    expect(end.position?.databases).toHaveLength(2);
    expect(end.databases).toMatchObject([{ complete: false }, { complete: false, seen: 0 }]);
  });

  it('the server does not answer any more', async () => {
    const { redis } = await twoDatabases();
    onTestFinished(() => redis.kill('SIGCONT'));
    const began = performance.now();
    const { end } = await scan(
      redis.port,
      { timeout: 500, pace: slowly },
      { onKey: () => redis.kill('SIGSTOP') },
    );
    expect(end).toMatchObject({ reason: 'lost', detail: 'no answer within 500 ms' });
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('a failover makes the server a replica', async () => {
    const { redis, channel } = await twoDatabases();
    const other = await redisForTest();
    let demoted: Promise<unknown> | undefined;
    const { end } = await scan(
      redis.port,
      { pace: { ...slowly, duty: 0.02 } },
      { onKey: () => (demoted ??= channel.send('REPLICAOF', '127.0.0.1', other.port)) },
    );
    await demoted;
    expect(['role', 'loading']).toContain(end.reason);
    expect(end.detail).toMatch(/is a replica now|loading/);
    expect(end.position).not.toBeNull();
  });

  it('the server begins to evict', async () => {
    const { redis, channel } = await twoDatabases();
    await channel.send('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random');
    let full: Promise<unknown> | undefined;
    const { end } = await scan(
      redis.port,
      { pace: { ...slowly, duty: 0.02 } },
      { onKey: () => (full ??= channel.send('CONFIG', 'SET', 'maxmemory', '3mb')) },
    );
    await full;
    expect(end).toMatchObject({ reason: 'evicting', detail: expect.stringMatching(/evict/) });
  });
});

describe('the pace', () => {
  it('slows down when others come to wait longer than they may, and gets to the end', async () => {
    const redis = await redisForTest();
    await sendAll(await connected(redis.port), strings(100_000));
    // What is usual is measured beforehand, and may be a lot on a machine that is busy just then.
    for (let times = 0, slowed = 0; slowed === 0; times += 1) {
      expect(times).toBeLessThan(10);
      let seen = 0;
      const { latency } = await scanServer(
        at(redis.port),
        // Nothing is done in a hundredth of a millisecond.
        { databases: [0], ask: ALL, timeout: 10_000, pace: { maxLatencyMs: 0.01 } },
        { add: () => (seen += 1) },
      );
      expect(seen).toBe(100_000);
      slowed = latency?.slowed ?? 0;
      if (slowed > 0) expect(latency?.worst_ms).toBeGreaterThan(0.01);
    }
  });

  it('measures large keys to the last element without holding the server for long', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    for (let from = 0; from < 60_000; from += 1_000)
      await channel.send(
        'HSET',
        'large',
        ...Array.from(
          { length: 2_000 },
          (_, at) => `${from + Math.floor(at / 2)}${'x'.repeat(at % 37)}`,
        ),
      );
    await sendAll(channel, [
      ...Array.from({ length: 30 }, (_, copy) => ['COPY', 'large', `copy:${copy}`]),
      ...strings(2_000),
    ]);
    const usage = await channel.send('MEMORY', 'USAGE', 'large', 'SAMPLES', 0);
    const pings: number[] = [];
    let isDone = false;
    const ping = async () => {
      while (!isDone) {
        const start = performance.now();
        await channel.send('PING');
        pings.push(performance.now() - start);
      }
    };
    const pinging = ping();
    const ask = { type: true, size: 'exact', ttl: true } as const;
    const { facts } = await scan(redis.port, { ask, cursors: 4 });
    isDone = true;
    await pinging;
    expect(facts.size).toBe(2_031);
    expect(facts.get('0/large')?.bytes).toBe(usage);
    const start = performance.now();
    await channel.pipeline(
      Array.from({ length: 31 }, () => ['MEMORY', 'USAGE', 'large', 'SAMPLES', 0]),
    );
    const atOnce = performance.now() - start;
    expect(Math.max(...pings)).toBeLessThan(atOnce / 2);
  });

  it('takes the share of the time that it may', async () => {
    const { redis } = await twoDatabases();
    const full = await scan(redis.port, { pace: { duty: 1 } });
    const fifth = await scan(redis.port, { pace: { duty: 0.2 } });
    expect(fifth.facts.size).toBe(29_000);
    expect(fifth.end.took_ms).toBeGreaterThan(2 * full.end.took_ms);
  });
});
