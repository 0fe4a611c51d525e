/** Round trips, in milliseconds. */
export interface Latency {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Percentiles by nearest rank: each is a time that was measured. */
export function latencyOf(times: readonly number[]): Latency | undefined {
  if (times.length === 0) return undefined;
  const sorted = times.toSorted((a, b) => a - b);
  const rank = (share: number) => micro(sorted[Math.ceil(share * sorted.length) - 1] as number);
  return { count: times.length, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}

/** Milliseconds to the microsecond: what lies below is noise. */
export function micro(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
