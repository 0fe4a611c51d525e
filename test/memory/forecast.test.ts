import { describe, expect, it } from 'vitest';
import { forecast, type Point } from '../../src/memory/forecast.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MB = 1024 ** 2;
const START = Date.parse('2026-01-01T00:00:00Z');

/** Samples every `every` ms, of what `bytes` makes of their number. */
function series(count: number, every: number, bytes: (index: number) => number): Point[] {
  return Array.from({ length: count }, (_, index) => ({
    at: START + index * every,
    bytes: bytes(index),
  }));
}

const point = (bytes: number, hour: number): Point => ({ at: START + hour * HOUR, bytes });

const inHours = (moment: string | null, from: Point | undefined) =>
  moment === null ? null : (Date.parse(moment) - (from?.at ?? 0)) / HOUR;

describe('the forecast', () => {
  it('says when 80 and 100 % will be reached at a steady growth', () => {
    const points = series(13, HOUR, (hour) => 40 * MB + hour * MB);
    const { bytes_per_day, reaches_80, reaches_100, reason, ...basis } = forecast(points, 100 * MB);
    expect(reason).toBeNull();
    expect(basis).toEqual({ samples: 13, span_ms: 12 * HOUR });
    expect(bytes_per_day).toBe(24 * MB);
    expect(inHours(reaches_80, points.at(-1))).toBeCloseTo(28, 3);
    expect(inHours(reaches_100, points.at(-1))).toBeCloseTo(48, 3);
  });

  it('is not moved by a few samples that stand out', () => {
    const points = series(20, HOUR, (hour) => 40 * MB + hour * MB);
    (points[7] as Point).bytes = 99 * MB;
    (points[8] as Point).bytes = 99 * MB;
    (points[13] as Point).bytes = 2 * MB;
    expect(forecast(points, 100 * MB).bytes_per_day).toBeCloseTo(24 * MB, -6);
  });

  it('takes only the last week where there is more', () => {
    const points = series(15 * 24, HOUR, (hour) => (hour < 8 * 24 ? 90 * MB - hour : hour * 1_000));
    const { samples, span_ms, bytes_per_day } = forecast(points, 100 * MB);
    expect([samples, span_ms]).toEqual([7 * 24 + 1, 7 * 24 * HOUR]);
    expect(bytes_per_day).toBeGreaterThan(23_000);
  });

  it('says of a limit that is reached that it is', () => {
    const points = series(10, HOUR, (hour) => 85 * MB + hour * MB);
    const { reaches_80, reaches_100 } = forecast(points, 100 * MB);
    expect(inHours(reaches_80, points.at(-1))).toBe(0);
    expect(inHours(reaches_100, points.at(-1))).toBeCloseTo(6, 3);
  });

  it.each<[string, Point[], number | null, RegExp]>([
    ['nothing', [], 100, /too few samples: 0 of 4/],
    ['three samples', series(3, HOUR, (n) => n), 100, /too few samples: 3 of 4/],
    ['a few minutes', series(9, MINUTE, (n) => n), 100, /span 8m 0s of at least 30m 0s/],
    ['what stands still', series(9, HOUR, () => 7), 100, /does not grow/],
    ['what shrinks', series(9, HOUR, (n) => 70 - n), 100, /does not grow/],
    ['what goes up and down', series(12, HOUR, (n) => 50 + (n % 3) * 10), 100, /does not grow/],
    ['what goes up by chance', [50, 90, 40, 80, 60, 95, 45, 85].map(point), 200, /does not grow/],
    ['what has no limit', series(9, HOUR, (n) => n), null, /no limit is known/],
  ])('makes none of %s', (_, points, limit, reason) => {
    const { reaches_80, reaches_100, ...rest } = forecast(points, limit);
    expect(rest.reason).toMatch(reason);
    expect([reaches_80, reaches_100]).toEqual([null, null]);
  });

  it('does not look further than a year', () => {
    const points = series(9, HOUR, (hour) => MB + hour);
    expect(forecast(points, 100 * MB)).toMatchObject({ reaches_80: null, reaches_100: null });
  });

  it('takes little time for many samples', () => {
    const points = series(2_000, 5 * MINUTE, (n) => 40 * MB + n * 1_000 + (n % 7) * MB);
    const began = performance.now();
    expect(forecast(points, 100 * MB).reason).toBeNull();
    expect(performance.now() - began).toBeLessThan(500);
  });
});
