import { monotonic } from '../monotonic.js';
import type { Channel } from '../redis/channel.js';
import { ReplyError } from '../redis/resp.js';

/** Memory of some keys, as they came. */
export interface Sizes {
  keys: number;
  bytes: number;
  /** Sum of the squares, for the deviation. */
  squares: number;
  min: number;
  max: number;
  /** Whether all keys that match are among them. */
  complete: boolean;
  /** Why they could not be measured. */
  refused: string | null;
}

/** How much may be looked at: matching keys, and milliseconds. */
export interface Budget {
  keys: number;
  ms: number;
}

/** A call of SCAN holds the server for about 0.1 ms with this. */
const STEP = 250;
/** Elements looked at of one key: within about 1 % of all of them, in at most 0.2 ms. */
export const SAMPLES = 2_000;

/**
 * The memory of the first keys that match a glob (bytes as latin1). The order of SCAN is that of
 * hashes of the keys, not of their names or age, so the first ones are as good as any. Reads only.
 */
export async function sampleSizes(
  channel: Channel,
  glob: string,
  budget: Budget,
  signal: AbortSignal | undefined,
): Promise<Sizes> {
  const sizes: Sizes = { ...NO_SIZES };
  const deadline = monotonic() + budget.ms;
  const seen = new Set<string>();
  let cursor = '0';
  do {
    signal?.throwIfAborted();
    const page = await channel.send('SCAN', cursor, 'MATCH', glob, 'COUNT', STEP);
    if (page instanceof ReplyError) return { ...sizes, refused: page.message };
    const [next, keys] = page as [string, string[]];
    cursor = next;
    // SCAN may give a key twice.
    const fresh = keys.filter((key) => !seen.has(key)).slice(0, budget.keys - seen.size);
    for (const key of fresh) seen.add(key);
    const replies = await channel.pipeline(
      fresh.map((key) => ['MEMORY', 'USAGE', key, 'SAMPLES', SAMPLES]),
    );
    for (const reply of replies) {
      if (reply instanceof ReplyError) sizes.refused ??= reply.message;
      // A key that has gone in the meantime answers null.
      if (typeof reply === 'number') add(sizes, reply);
    }
    if (seen.size >= budget.keys || monotonic() > deadline) break;
  } while (cursor !== '0');
  return { ...sizes, complete: cursor === '0' && seen.size < budget.keys };
}

const NO_SIZES: Sizes = {
  keys: 0,
  bytes: 0,
  squares: 0,
  min: Number.POSITIVE_INFINITY,
  max: 0,
  complete: true,
  refused: null,
};

function add(sizes: Sizes, bytes: number): void {
  sizes.keys += 1;
  sizes.bytes += bytes;
  sizes.squares += bytes * bytes;
  sizes.min = Math.min(sizes.min, bytes);
  sizes.max = Math.max(sizes.max, bytes);
}

/** Those of several servers as one. */
export function together(all: readonly Sizes[]): Sizes {
  return all.reduce(
    (sum, sizes) => ({
      keys: sum.keys + sizes.keys,
      bytes: sum.bytes + sizes.bytes,
      squares: sum.squares + sizes.squares,
      min: Math.min(sum.min, sizes.min),
      max: Math.max(sum.max, sizes.max),
      complete: sum.complete && sizes.complete,
      refused: sum.refused ?? sizes.refused,
    }),
    NO_SIZES,
  );
}

/** Average and spread in bytes, and between what the average of all keys is with 95 % probability. */
export function spreadOf({ keys, bytes, squares, min, max, complete }: Sizes) {
  const average = bytes / keys;
  const variance = keys > 1 ? Math.max(0, (squares - bytes * average) / (keys - 1)) : 0;
  const deviation = Math.sqrt(variance);
  const margin = complete ? 0 : (1.96 * deviation) / Math.sqrt(keys);
  return {
    keys,
    complete,
    average_bytes: Math.round(average),
    deviation_bytes: Math.round(deviation),
    low_bytes: Math.max(0, Math.round(average - margin)),
    high_bytes: Math.round(average + margin),
    min_bytes: min,
    max_bytes: max,
  };
}
