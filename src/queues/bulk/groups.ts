import * as z from 'zod/mini';
import { RESULTS, type Result } from '../operation.js';
import type { Counts } from './store.js';

/** Jobs of which the same became; what differs in ids only is the same. */
export const groupSchema = z.object({
  result: z.enum(RESULTS),
  detail: z.string(),
  jobs: z.number(),
  /** The id of one of them. */
  example: z.string(),
});
export type Group = z.infer<typeof groupSchema>;

/** Counting must not grow with the number of jobs, whatever an engine says of each. */
const LIMIT = 50;

/** Counts jobs by what became of them. */
export class Groups {
  readonly #groups = new Map<string, Group>();
  /** Of the job before: most have its detail. */
  #last: { result: Result; detail: string; group: Group } | undefined;

  add(result: Result, detail: string, example: string, jobs = 1): void {
    if (this.#last?.detail === detail && this.#last.result === result) {
      this.#last.group.jobs += jobs;
      return;
    }
    const group = this.#groupOf(result, detail, example);
    group.jobs += jobs;
    this.#last = { result, detail, group };
  }

  #groupOf(result: Result, detail: string, example: string): Group {
    const shape = shapeOf(detail);
    const known = this.#groups.size < LIMIT || this.#groups.has(`${result} ${shape}`);
    const said = known ? shape : 'other';
    const group = this.#groups.get(`${result} ${said}`) ?? {
      result,
      detail: said,
      jobs: 0,
      example,
    };
    this.#groups.set(`${result} ${said}`, group);
    return group;
  }

  /** In the order of the results, the most frequent first. */
  list(): Group[] {
    return [...this.#groups.values()].toSorted(
      (a, b) => RESULTS.indexOf(a.result) - RESULTS.indexOf(b.result) || b.jobs - a.jobs,
    );
  }

  counts(): Counts {
    const counts: Counts = {};
    for (const { result, jobs } of this.#groups.values()) {
      counts[result] = (counts[result] ?? 0) + jobs;
    }
    return counts;
  }
}

/** `its parent mail:7 would be released` and `... mail:8 ...` are one thing; `priority 3` stays. */
function shapeOf(detail: string): string {
  return detail.replace(/\S*:\S*\w|\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, '...');
}
