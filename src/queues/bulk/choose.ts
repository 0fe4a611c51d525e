import type { Engine } from '../engine.js';
import { type JobFilter, matches } from '../filter.js';
import type { Job } from '../job.js';
import type { JobState, QueueRef } from '../queue.js';

/** A queue and the engine that has it. */
export interface Place {
  engine: Engine;
  ref: QueueRef;
}

/** Which jobs of which queues. */
export interface Selection {
  places: readonly Place[];
  filter: JobFilter;
  /** So many of the newest of each state are left out of it. */
  keep?: Partial<Record<JobState, number>>;
}

/** A page of chosen jobs of one queue: `place` is the queue's number in the selection. */
export interface Page {
  place: number;
  jobs: Job[];
  /** Ids in lists without a job, and jobs that cannot be read: left out. */
  unreadable: number;
}

/** The chosen jobs, page by page; memory does not grow with their number. */
export async function* choose(
  { places, filter, keep = {} }: Selection,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  for (const [place, { engine, ref }] of places.entries()) {
    // State by state where the newest are kept: they are the first of each.
    const kept = Object.keys(keep).length > 0;
    const parts = kept ? filter.states.map((state) => ({ ...filter, states: [state] })) : [filter];
    for (const part of parts) {
      const [state] = part.states;
      let left = (kept && state && keep[state]) || 0;
      // The newest are counted among all of the state, not among those that are old enough.
      const { before, ...anyAge } = part;
      for await (const page of fresh(engine.jobs(ref, kept ? anyAge : part, !kept))) {
        signal.throwIfAborted();
        // One that is asked for by its id is left to the engine to judge.
        const readable = page.filter(({ problem }) => problem === null || filter.ids);
        const beyond = readable.slice(left);
        left -= readable.length - beyond.length;
        const jobs = kept ? beyond.filter((job) => matches(job, part)) : beyond;
        yield { place, jobs, unreadable: page.length - readable.length };
      }
    }
  }
}

/** Pages without the ids that stand in the page before too: what comes in newly shifts a list. */
async function* fresh(pages: AsyncIterable<Job[]>): AsyncGenerator<Job[]> {
  let before = new Set<string>();
  for await (const page of pages) {
    yield page.filter(({ id }) => !before.has(id));
    before = new Set(page.map(({ id }) => id));
  }
}
