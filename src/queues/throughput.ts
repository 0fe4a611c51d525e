import type { Engine } from './engine.js';
import type { JobState, QueueRef } from './queue.js';

type Ended = Extract<JobState, 'completed' | 'failed'>;

/** The newest finished job of a state, to count from. */
export interface Mark {
  id: string;
  finished_at: number;
}

export async function newestOf(
  engine: Engine,
  queue: QueueRef,
  state: Ended,
): Promise<Mark | undefined> {
  for await (const page of engine.jobs(queue, { states: [state] })) {
    for (const { id, finished_at } of page) if (finished_at !== null) return { id, finished_at };
  }
  return undefined;
}

/**
 * How many jobs have come to this end since `mark`. Only finished jobs that are kept can be counted,
 * and the oldest are the first to be removed: the mark itself, or a kept job that is older, proves
 * that none of the newer ones is missing. Null without such proof. No clock but the jobs' own.
 */
export async function finishedSince(
  engine: Engine,
  queue: QueueRef,
  state: Ended,
  mark: Mark | undefined,
): Promise<number | null> {
  if (!mark) return null;
  let count = 0;
  for await (const page of engine.jobs(queue, { states: [state] })) {
    for (const { id, finished_at } of page) {
      if (finished_at === null) continue;
      if (id === mark.id || finished_at < mark.finished_at) return count;
      count += 1;
    }
  }
  return null;
}
