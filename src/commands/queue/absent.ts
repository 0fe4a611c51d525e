import { nearest } from '../../config/nearest.js';
import { CacheOpsError } from '../../errors.js';
import type { Place } from '../../queues/bulk/choose.js';
import { newestJobs } from '../../queues/listing.js';
import { fullName } from '../../queues/names.js';

/** In so many queues an id that is nowhere is looked for once more: the lists have to be read for it. */
const LOOKED = 20;
/** Whoever mistypes an id has most likely seen it a moment ago. */
const NEWEST = 100;

/**
 * About an id without a job in these queues: that it stands in a list nevertheless, or which of the
 * newest ids it may have been meant to be. Undefined where nothing is known; what cannot be read
 * makes no other error of it.
 */
export async function aboutAbsent(
  places: readonly Place[],
  id: string,
): Promise<CacheOpsError | { hint: string } | undefined> {
  if (places.length > LOOKED) return undefined;
  try {
    const ghost = await ghostIn(places, id);
    if (ghost) return ghost;
    const ids = await Promise.all(
      places.map(async (place) => {
        const { jobs } = await newestJobs(place, { states: [] }, NEWEST);
        return jobs.map((job) => job.id);
      }),
    );
    const hint = nearest(id, [...new Set(ids.flat())]);
    return hint.startsWith('did you mean') ? { hint } : undefined;
  } catch {
    return undefined;
  }
}

async function ghostIn(places: readonly Place[], id: string): Promise<CacheOpsError | undefined> {
  for (const { engine, ref } of places) {
    for await (const [job] of engine.jobs(ref, { states: [], ids: [id] })) {
      if (job?.problem !== 'ghost') continue;
      return new CacheOpsError(
        'not_found',
        `"${id}" stands among the ${job.state} jobs of ${fullName(ref)} and has no job: a ghost`,
        'there is nothing to show or to retry; queue jobs counts them',
      );
    }
  }
  return undefined;
}
