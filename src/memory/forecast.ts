import { spanText } from '../words.js';
import type { Rate, Trend } from './result.js';

/** Memory that counts towards the limit, at one moment. */
export interface Point {
  /** Milliseconds since 1970. */
  at: number;
  bytes: number;
}

const DAY = 86_400_000;
/** Fewer, or over a shorter time, say more of the moment than of a trend. */
const LEAST_SAMPLES = 4;
const LEAST_SPAN = 30 * 60_000;
/** The last week, which evens out days and nights; what was before it says less of tomorrow. */
const WINDOW = 7 * DAY;
/** All pairs of them are looked at. */
const MOST_POINTS = 60;
/** What lies further off than this is not a forecast. */
const HORIZON = 365 * DAY;

/**
 * When a series, oldest first, will reach 80 and 100 % of `limit` bytes. The slope is that of
 * Theil and Sen, the median of the slopes of all pairs, which a few outliers do not move; it counts
 * as growth when the Mann-Kendall test is sure of it by 95 %.
 * https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator
 */
export function forecast(series: readonly Point[], limit: number | null): Trend {
  const last = series.at(-1);
  const points = thin(recent(series));
  const span = (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0);
  const basis = { samples: recent(series).length, span_ms: span };
  const none = (reason: string, bytes_per_day: number | null = null): Trend => ({
    ...basis,
    bytes_per_day,
    ...reach(last, null, limit),
    reason,
  });
  if (points.length < LEAST_SAMPLES)
    return none(`too few samples: ${points.length} of ${LEAST_SAMPLES}`);
  if (span < LEAST_SPAN)
    return none(`the samples span ${spanText(span)} of at least ${spanText(LEAST_SPAN)}`);
  const { slope, sure } = slopeOf(points);
  const perDay = Math.round(slope * DAY);
  if (!sure || slope <= 0) return none('it does not grow', perDay);
  if (limit === null) return none('no limit is known', perDay);
  return { ...basis, bytes_per_day: perDay, ...reach(last, slope, limit), reason: null };
}

/** When a limit is reached from `last` on, at `slope` bytes a millisecond; the present moment where it is. */
export function reach(
  last: Point | undefined,
  slope: number | null,
  limit: number | null,
): Pick<Rate, 'reaches_80' | 'reaches_100'> {
  const when = (share: number): string | null => {
    if (!last || limit === null) return null;
    const left = share * limit - last.bytes;
    if (left <= 0) return new Date(last.at).toISOString();
    const ms = slope !== null && slope > 0 ? left / slope : Number.POSITIVE_INFINITY;
    return ms > HORIZON ? null : new Date(last.at + ms).toISOString();
  };
  return { reaches_80: when(0.8), reaches_100: when(1) };
}

/** The last week of a series, or all of it where that is too little to tell. */
function recent(series: readonly Point[]): readonly Point[] {
  const from = (series.at(-1)?.at ?? 0) - WINDOW;
  const week = series.filter(({ at }) => at >= from);
  const span = (week.at(-1)?.at ?? 0) - (week[0]?.at ?? 0);
  return week.length >= LEAST_SAMPLES && span >= LEAST_SPAN ? week : series;
}

function thin(points: readonly Point[]): readonly Point[] {
  if (points.length <= MOST_POINTS) return points;
  const step = (points.length - 1) / (MOST_POINTS - 1);
  return Array.from(
    { length: MOST_POINTS },
    (_, index) => points[Math.round(index * step)] as Point,
  );
}

/** Bytes a millisecond, and whether it is more than chance. */
function slopeOf(points: readonly Point[]): { slope: number; sure: boolean } {
  const slopes: number[] = [];
  let ups = 0;
  points.forEach((from, index) => {
    for (const to of points.slice(index + 1)) {
      if (to.at === from.at) continue;
      slopes.push((to.bytes - from.bytes) / (to.at - from.at));
      ups += Math.sign(to.bytes - from.bytes);
    }
  });
  slopes.sort((a, b) => a - b);
  const middle = slopes.length >> 1;
  const slope =
    slopes.length % 2 === 1
      ? (slopes[middle] as number)
      : ((slopes[middle - 1] as number) + (slopes[middle] as number)) / 2 || 0;
  const n = points.length;
  const deviation = Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  return { slope, sure: ups > 1.96 * deviation };
}
