import type { Cache, Json } from './types.js';

export interface WarmEntry {
  key: string;
  value: Json;
  /** Seconds. */
  ttl?: number | undefined;
}

/**
 * Stores entries before anybody asks for them, `concurrency` at a time (default 10); entries that are
 * there are left alone. Returns how many were stored and how many were there.
 */
export async function warmUp(
  cache: Cache,
  entries: Iterable<WarmEntry> | AsyncIterable<WarmEntry>,
  concurrency = 10,
): Promise<{ stored: number; present: number }> {
  const counts = { stored: 0, present: 0 };
  const running = new Set<Promise<void>>();
  const store = async ({ key, value, ttl }: WarmEntry) => {
    if (await cache.has(key)) {
      counts.present += 1;
      return;
    }
    await cache.set(key, value, ttl);
    counts.stored += 1;
  };
  for await (const entry of entries) {
    const one = store(entry).finally(() => running.delete(one));
    running.add(one);
    if (running.size >= concurrency) await Promise.race(running);
  }
  await Promise.all(running);
  return counts;
}
