import type { FoundKey } from './look.js';
import type { Masters } from './masters.js';
import { type Walked, walkKeys } from './walk.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Up to so many milliseconds to live; beyond the last one, and never. */
const BOUNDS = [60_000, 10 * 60_000, HOUR, 6 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY];

interface TtlHistogram extends Walked {
  keys: number;
  no_ttl: number;
  shortest_ms: number | null;
  longest_ms: number | null;
  /** `up_to_ms` null: longer than the bound before. */
  buckets: { up_to_ms: number | null; keys: number }[];
  /** Some of the keys that never expire, as bytes. */
  without: string[];
}

const EXAMPLES = 5;

/** How long the keys of a pattern have to live. Reads only. */
export async function ttlHistogram(
  masters: Masters,
  wanted: { match?: string | undefined; type?: string | undefined },
  { signal, onProgress }: { signal: AbortSignal; onProgress?: (keys: number) => void },
): Promise<TtlHistogram> {
  const buckets = [...BOUNDS, null].map((up_to_ms) => ({ up_to_ms, keys: 0 }));
  const sums = {
    keys: 0,
    no_ttl: 0,
    shortest_ms: null as number | null,
    longest_ms: null as number | null,
  };
  const without: string[] = [];
  const add = ({ key, ttl_ms }: FoundKey) => {
    sums.keys += 1;
    if (ttl_ms === null) {
      sums.no_ttl += 1;
      if (without.length < EXAMPLES) without.push(key);
      return;
    }
    sums.shortest_ms = Math.min(sums.shortest_ms ?? ttl_ms, ttl_ms);
    sums.longest_ms = Math.max(sums.longest_ms ?? ttl_ms, ttl_ms);
    const bucket = buckets.find(({ up_to_ms }) => up_to_ms === null || ttl_ms <= up_to_ms);
    if (bucket) bucket.keys += 1;
  };
  const found = await walkKeys(
    masters,
    { ...wanted, facts: true, sizes: false },
    ({ keys }) => {
      for (const key of keys) add(key);
      onProgress?.(sums.keys);
    },
    signal,
  );
  return { ...found, ...sums, buckets, without };
}
