import type { ReplyError } from '../resp.js';
import type { Batch } from './batches.js';
import type { Tally } from './types.js';

/** A batch whose keys are being asked about. */
export interface Asked {
  batch: Batch;
  types: (string | undefined)[];
  sizes: Float64Array;
  ttls: Float64Array;
  /** Keys that are out, and why; the others go to the sink. */
  out: Map<number, Exclude<keyof Tally, 'seen'>>;
}

/** What is done about a question on a key that was answered with an error. */
export type Fail = (asked: Asked, index: number, error: ReplyError) => void;
