/** A batch takes under 15 minutes, so that a restart loses little. */
const BATCH_SECONDS = 900;
const LEAST = 10;
const MOST = 1_000;

/** What one kind of task takes: items in a batch and seconds an item, as the estate measured them. */
export const BATCH_KINDS = {
  'title-screening': { batchSize: 100, secondsPerItem: 7.2 },
  'fulltext-screening': { batchSize: 50, secondsPerItem: 18 },
  'medical-extraction': { batchSize: 50, secondsPerItem: 10 },
  'statistical-analysis': { batchSize: 5_000, secondsPerItem: 0.1 },
} as const;

/** Items of a batch that takes just under 15 minutes: from 10 to 1,000. */
export function recommendedBatchSize(secondsPerItem: number): number {
  if (!(secondsPerItem > 0)) throw new RangeError('seconds an item: expected more than 0');
  return Math.min(MOST, Math.max(LEAST, Math.floor(BATCH_SECONDS / secondsPerItem)));
}

export interface Batch<Item> {
  index: number;
  /** Index of its first item in the whole. */
  first: number;
  items: Item[];
}

/** Cuts items into batches of `size`, in their order; the last one may be shorter. */
export function splitIntoBatches<Item>(items: readonly Item[], size: number): Batch<Item>[] {
  if (!Number.isInteger(size) || size < 1) throw new RangeError('batch size: expected 1 or more');
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => ({
    index,
    first: index * size,
    items: items.slice(index * size, (index + 1) * size),
  }));
}
