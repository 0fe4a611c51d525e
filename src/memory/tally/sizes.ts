/**
 * A histogram of sizes with a relative error of at most 1.6 %: 32 buckets to each power of two, as
 * HdrHistogram (http://hdrhistogram.org) has them. Only the buckets between the smallest and the
 * largest size are held, because most groups have sizes of one order.
 */
export class SizeHistogram {
  /** Number of the bucket that counts[0] is. */
  #first = 0;
  #counts = new Uint32Array(0);

  /** `bytes` as bucketOf() numbers them: the caller has it for several histograms. */
  add(bucket: number, keys = 1): void {
    let at = bucket - this.#first;
    if (at < 0 || at >= this.#counts.length) {
      this.#reach(bucket);
      at = bucket - this.#first;
    }
    this.#counts[at] = (this.#counts[at] as number) + keys;
  }

  merge(other: SizeHistogram): void {
    for (const [bucket, keys] of other.entries()) this.add(bucket, keys);
  }

  /** The size that a share `q` of the keys does not exceed; 0 when there are none. */
  quantile(q: number): number {
    let keys = 0;
    for (const [, count] of this.entries()) keys += count;
    let left = Math.ceil(keys * q);
    for (const [bucket, count] of this.entries()) {
      left -= count;
      if (left <= 0) return middleOf(bucket);
    }
    return 0;
  }

  /** Buckets that are not empty, with their keys, the smallest sizes first. */
  *entries(): Generator<[bucket: number, keys: number]> {
    for (let at = 0; at < this.#counts.length; at += 1) {
      const keys = this.#counts[at] as number;
      if (keys > 0) yield [this.#first + at, keys];
    }
  }

  #reach(bucket: number): void {
    const { length } = this.#counts;
    const first = length === 0 ? bucket : Math.min(this.#first, bucket);
    const last = length === 0 ? bucket : Math.max(this.#first + length - 1, bucket);
    // Room to grow on the side it grew to, so that it is not copied for every new bucket.
    const spare = Math.min(length, 32);
    const low = length > 0 && bucket < this.#first ? Math.max(0, first - spare) : first;
    const high = length === 0 ? bucket + 3 : bucket > this.#first ? last + spare : last;
    const grown = new Uint32Array(high - low + 1);
    if (length > 0) grown.set(this.#counts, this.#first - low);
    this.#first = low;
    this.#counts = grown;
  }
}

/** Below this every size has a bucket of its own. */
const EXACT = 64;

export function bucketOf(bytes: number): number {
  if (bytes < EXACT) return bytes;
  // Bitwise operators take 32 bits only.
  let scaled = bytes;
  let shift = 0;
  while (scaled > 0x7fffffff) {
    scaled = Math.floor(scaled / 2);
    shift += 1;
  }
  const down = 26 - Math.clz32(scaled);
  return (down + shift + 1) * 32 + ((scaled >>> down) - 32);
}

function middleOf(bucket: number): number {
  if (bucket < EXACT) return bucket;
  const width = 2 ** (Math.floor(bucket / 32) - 1);
  const low = ((bucket % 32) + 32) * width;
  return Math.round(low + (width - 1) / 2);
}
