import type { Json } from '../cache/types.js';

/** Which batch of which task. */
export interface BatchRef {
  task: string;
  batch: number;
}

/** A batch in a worker's hands. `fence` is higher than that of every worker before it. */
export interface Claim extends BatchRef {
  fence: string;
  /** Index in the task of its first item. */
  first: number;
  items: Json[];
  /** Index in the batch of the item to go on with: all before it are in the results. */
  next: number;
}

/** What became of one item. */
export interface ItemResult {
  status: 'success' | 'failed' | 'conflict';
  value?: Json | undefined;
}

export interface NewTask {
  user: string;
  /** What is done, such as `title-screening`: the name of the queue, too. */
  kind: string;
  items: readonly Json[];
  /** For the recommended size of a batch, where `batchSize` is left out. */
  secondsPerItem?: number | undefined;
  batchSize?: number | undefined;
}

/** Another worker has taken the batch over: whatever this one still does is not saved. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}
