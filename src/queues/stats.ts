import type { QueueRef } from './queue.js';

/** Milliseconds. */
export interface Percentiles {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** A queue in depth, over its newest finished jobs. */
export interface QueueStats extends QueueRef {
  sampled: number;
  /** From when it could be taken until it was. */
  wait_ms: Percentiles | null;
  run_ms: Percentiles | null;
  /** Finished a minute over the span of the sample; null for fewer than two. */
  finished_per_minute: number | null;
  /** Messages with ids, numbers and quoted parts collapsed, the most frequent first. */
  failures: { shape: string; count: number; example: string; newest_id: string }[];
  retained: { completed: number; failed: number; cancelled: number };
  /** Bytes of the sampled jobs and, from that, of all retained ones. */
  memory: { average_bytes: number; retained_bytes: number } | null;
}
