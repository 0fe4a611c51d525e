import { SizeHistogram } from './sizes.js';

/** What is summed up of a set of keys. Two sums of different keys can be added. */
export class Sum {
  // Fields of an object would be boxed once they pass 2^31, and this is the hot path.
  readonly #totals = new Float64Array(6);
  readonly sizes = new SizeHistogram();

  get keys(): number {
    return this.#totals[KEYS] as number;
  }
  get bytes(): number {
    return this.#totals[BYTES] as number;
  }
  /** Sum of the squares of the sizes: what the variance of a sample is calculated from. */
  get squares(): number {
    return this.#totals[SQUARES] as number;
  }
  get max(): number {
    return this.#totals[MAX] as number;
  }
  /** Keys that never expire, and their bytes. */
  get noTtl(): number {
    return this.#totals[NO_TTL] as number;
  }
  get noTtlBytes(): number {
    return this.#totals[NO_TTL_BYTES] as number;
  }

  /** `bucket` is bucketOf(bytes). */
  add(bytes: number, bucket: number, expires: boolean): void {
    const totals = this.#totals;
    totals[KEYS] = (totals[KEYS] as number) + 1;
    totals[BYTES] = (totals[BYTES] as number) + bytes;
    totals[SQUARES] = (totals[SQUARES] as number) + bytes * bytes;
    if (bytes > (totals[MAX] as number)) totals[MAX] = bytes;
    if (!expires) {
      totals[NO_TTL] = (totals[NO_TTL] as number) + 1;
      totals[NO_TTL_BYTES] = (totals[NO_TTL_BYTES] as number) + bytes;
    }
    this.sizes.add(bucket);
  }

  merge(other: Sum): this {
    this.#merge(other.#totals);
    this.sizes.merge(other.sizes);
    return this;
  }

  /** 99 of 100 keys are not larger; within 1.6 %. Of fewer than 100 it is the largest. */
  p99(): number {
    return this.keys < 100 ? this.max : Math.min(this.sizes.quantile(0.99), this.max);
  }

  toJSON(): SumState {
    return [[...this.#totals], [...this.sizes.entries()].flat()];
  }

  static restore([totals, sizes]: SumState): Sum {
    const sum = new Sum();
    sum.#merge(totals);
    for (let at = 0; at + 1 < sizes.length; at += 2) {
      sum.sizes.add(sizes[at] as number, sizes[at + 1]);
    }
    return sum;
  }

  #merge(totals: ArrayLike<number>): void {
    const own = this.#totals;
    const max = Math.max(this.max, totals[MAX] ?? 0);
    for (let at = 0; at < own.length; at += 1) own[at] = (own[at] as number) + (totals[at] ?? 0);
    own[MAX] = max;
  }
}

const KEYS = 0;
const BYTES = 1;
const SQUARES = 2;
const MAX = 3;
const NO_TTL = 4;
const NO_TTL_BYTES = 5;

/** A sum in a checkpoint: its totals, and the histogram as bucket, keys, bucket, keys... */
export type SumState = [totals: number[], sizes: number[]];

/** The sum of a key in a map of sums, made when it is new. */
export function sumOf<K>(sums: Map<K, Sum>, name: K): Sum {
  let sum = sums.get(name);
  if (!sum) {
    sum = new Sum();
    sums.set(name, sum);
  }
  return sum;
}
