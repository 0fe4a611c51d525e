import type { Channel, Limits } from '../redis/channel.js';

/** Keys that were looked at, and those of them that never expire; keys of queues are left out. */
export interface Sample {
  looked_at: number;
  no_ttl: number;
  /** Up to three of their names. */
  examples: string[];
}

/** Enough for a share to within a few per cent; a SCAN of a few round trips. */
const WANTED = 500;
const MOST_STEPS = 20;

/**
 * Looks at the times to live of some keys. SCAN begins anywhere in the table of keys, which lies in the
 * order of a hash: some of them stand for all. PTTL does not make a key look used.
 */
export async function sampleKeys(
  channel: Channel,
  queuePrefixes: readonly string[],
  { signal }: Limits,
): Promise<Sample | undefined> {
  const seen = new Map<string, number>();
  let cursor = '0';
  for (let step = 0; step < MOST_STEPS && seen.size < WANTED; step += 1) {
    signal?.throwIfAborted();
    const reply = await channel.send('SCAN', cursor, 'COUNT', 200);
    if (!Array.isArray(reply) || !Array.isArray(reply[1])) return undefined;
    const keys = reply[1].map(String).filter((key) => !isOfQueue(key, queuePrefixes));
    const ttls = await channel.pipeline(keys.map((key) => ['PTTL', key]));
    for (const [index, key] of keys.entries()) {
      const ttl = ttls[index];
      // -2: it has gone meanwhile.
      if (typeof ttl === 'number' && ttl !== -2) seen.set(key, ttl);
    }
    cursor = String(reply[0]);
    if (cursor === '0') break;
  }
  const forever = [...seen].flatMap(([key, ttl]) => (ttl === -1 ? [key] : []));
  return { looked_at: seen.size, no_ttl: forever.length, examples: forever.slice(0, 3) };
}

function isOfQueue(key: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => key.startsWith(`${prefix}:`));
}
