import type { Place } from './bulk/choose.js';
import type { JobFilter } from './filter.js';
import type { Job } from './job.js';
import { JOB_STATES } from './queue.js';

/** The newest `limit` jobs of a queue that match, of all states together, and whether there are more. */
export async function newestJobs(
  { engine, ref }: Place,
  filter: JobFilter,
  limit: number,
): Promise<{ jobs: Job[]; more: boolean }> {
  const states = filter.states.length > 0 ? filter.states : JOB_STATES;
  const found: Job[] = [];
  for (const state of states) {
    let left = limit + 1;
    // Jobs that move while their state is read may come twice.
    const seen = new Set<string>();
    for await (const page of engine.jobs(ref, { ...filter, states: [state] })) {
      const fresh = page.filter(({ id }) => !seen.has(id)).slice(0, left);
      for (const { id } of fresh) seen.add(id);
      found.push(...fresh);
      left -= fresh.length;
      if (left <= 0) break;
    }
  }
  return newestOf(found, limit);
}

/** The newest of these, by when they have finished or else were created; without such a time last. */
export function newestOf(jobs: readonly Job[], limit: number): { jobs: Job[]; more: boolean } {
  const sorted = [...jobs].sort((a, b) => timeOf(b) - timeOf(a));
  return { jobs: sorted.slice(0, limit), more: sorted.length > limit };
}

/** Ms since 1970 by which jobs of several states are sorted; 0 where nothing says when. */
export function timeOf({ finished_at, created_at }: Job): number {
  return finished_at ?? created_at ?? 0;
}
