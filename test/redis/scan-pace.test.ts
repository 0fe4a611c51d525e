import { describe, expect, it, onTestFinished } from 'vitest';
import { Pace } from '../../src/redis/scan/pace.js';
import { redisForTest } from '../commands/pinging.js';
import { until } from '../servers/wait.js';
import { connected, scan, sendAll } from './scanning.js';

function started(options: ConstructorParameters<typeof Pace>[0], idle = 0.2) {
  const pace = new Pace(options);
  pace.begin(idle);
  onTestFinished(() => pace.end());
  const observe = (...times: number[]) => {
    for (const took of times) pace.observe(took);
  };
  return { pace, observe };
}

describe('the pace of a scan', () => {
  it('rests when round trips are longer than they may be, and works less at once after it', async () => {
    const { pace, observe } = started({});
    expect(pace.allows(3)).toBe(true);
    observe(20, 20, 20);
    expect(pace.allows(0)).toBe(false);
    await until(() => pace.allows(0));
    expect(pace.allows(3)).toBe(false);
    expect(pace).toMatchObject({ slowed: 1, isSlowed: true });
    expect(pace.worst).toBeCloseTo(19.8);
    observe(0.2, 0.2, 0.2, 0.3, 0.3, 0.3);
    expect(pace.allows(3)).toBe(true);
    expect(pace.isSlowed).toBe(false);
  });

  it('does not mind a single long round trip', () => {
    const { pace, observe } = started({});
    observe(0.2, 90, 0.3, 0.2, 80, 0.2);
    expect(pace).toMatchObject({ slowed: 0, isSlowed: false });
  });

  it('does not rest for a delay that is there while it rests: that is not its own', async () => {
    const { pace, observe } = started({});
    observe(20, 20, 20);
    observe(20, 20, 20, 20, 20, 20);
    await until(() => pace.allows(0));
    observe(20, 21, 20, 21, 20);
    expect(pace.slowed).toBe(1);
    // Once the others are gone, it is measured by what is usual again.
    observe(0.2, 0.2, 0.2, 20, 20, 20);
    expect(pace.slowed).toBe(2);
  });

  it('goes on at any latency where none is set', () => {
    const { pace, observe } = started({ maxLatencyMs: null });
    observe(500, 500, 500, 500);
    expect(pace.allows(3)).toBe(true);
    expect(pace.worst).toBeCloseTo(499.8);
  });
});

describe('a scan that works in slices', () => {
  it('goes on when the last that it waited for is a part of the table without keys that match', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    // Long names: the questions about one SCAN's keys take several writes, and slices end between them.
    const long = 'long'.repeat(500);
    const keys = Array.from({ length: 4_000 }, (_, index) => [
      ...['SET', index % 8 ? `other:${index}` : `${long}${index}`, 'x'],
    ]);
    await sendAll(channel, keys);
    for (let times = 0; times < 20; times += 1) {
      const { end } = await scan(redis.port, { cursors: 16, match: 'long*', pace: { duty: 0.5 } });
      expect(end.databases).toMatchObject([{ seen: 500, complete: true }]);
    }
  });
});
