import { describe, expect, it, onTestFinished } from 'vitest';
import { redisForTest } from '../commands/pinging.js';
import { connected, scan, sendAll, strings, twoDatabases } from './scanning.js';

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
  it('slows down while others have to wait, and goes on', async () => {
    const redis = await redisForTest({ config: ['enable-debug-command local'] });
    const channel = await connected(redis.port);
    await sendAll(channel, strings(29_000));
    let sleeping: Promise<unknown> | undefined;
    const sleep = async () => {
      for (let turn = 0; turn < 8; turn += 1)
        // Holds the server for 60 ms at a time.
        await channel.send('DEBUG', 'SLEEP', 0.06);
    };
    const { end, facts } = await scan(
      redis.port,
      { pace: { maxLatencyMs: 5, duty: 0.3 } },
      { onKey: () => (sleeping ??= sleep()) },
    );
    await sleeping;
    expect(facts.size).toBe(29_000);
    expect(end.latency?.slowed).toBeGreaterThan(0);
    expect(end.latency?.worst_ms).toBeGreaterThan(20);
  });

  it('takes the share of the time that it may', async () => {
    const { redis } = await twoDatabases();
    const full = await scan(redis.port, { pace: { duty: 1 } });
    const fifth = await scan(redis.port, { pace: { duty: 0.2 } });
    expect(fifth.facts.size).toBe(29_000);
    expect(fifth.end.took_ms).toBeGreaterThan(2 * full.end.took_ms);
  });
});
