import type { Impact, Operation, Result } from '../operation.js';
import type { QueueRef } from '../queue.js';
import { choose, type Selection } from './choose.js';
import { Groups } from './groups.js';

/** What an operation would do to the jobs of one queue. */
export interface QueueImpact extends QueueRef {
  jobs: number;
  outcomes: { result: Result; becomes: string; jobs: number; example: string }[];
  parents: Names;
  children: Names;
  schedulers: Names;
}

/** How many different ones there are (at least, when `more`), and the first of them. */
export interface Names {
  count: number;
  more: boolean;
  first: string[];
}

export interface BlastRadius {
  queues: QueueImpact[];
  unreadable: number;
  /** Ids that were asked for and that are in no queue. */
  found: Set<string>;
}

/** What counting must not grow beyond. */
const DISTINCT = 10_000;
const SHOWN = 10;

/** What an operation would do to the selected jobs. Reads only, and leaves no file. */
export async function blastRadius(
  selection: Selection,
  operation: Operation,
  signal: AbortSignal,
): Promise<BlastRadius> {
  const sums = selection.places.map(({ ref }) => new Sum(ref));
  const radius: BlastRadius = { queues: [], unreadable: 0, found: new Set() };
  for await (const { place, jobs, unreadable } of choose(selection, signal)) {
    radius.unreadable += unreadable;
    const { engine, ref } = selection.places[place] ?? never();
    if (selection.filter.ids) for (const { id } of jobs) radius.found.add(id);
    if (jobs.length > 0) sums[place]?.add(await engine.preview(ref, operation, jobs));
  }
  radius.queues = sums.filter(({ jobs }) => jobs > 0).map((sum) => sum.impact());
  return radius;
}

class Sum {
  jobs = 0;
  readonly #groups = new Groups();
  readonly #parents = new Set<string>();
  readonly #children = new Set<string>();
  readonly #schedulers = new Set<string>();

  constructor(private readonly ref: QueueRef) {}

  add(impacts: readonly Impact[]): void {
    this.jobs += impacts.length;
    for (const impact of impacts) {
      this.#groups.add(impact.result, impact.becomes, impact.id);
      note(this.#parents, impact.parents);
      note(this.#children, impact.children);
      note(this.#schedulers, impact.scheduler === null ? [] : [impact.scheduler]);
    }
  }

  impact(): QueueImpact {
    return {
      ...this.ref,
      jobs: this.jobs,
      outcomes: this.#groups.list().map(({ detail, ...group }) => ({ ...group, becomes: detail })),
      parents: names(this.#parents),
      children: names(this.#children),
      schedulers: names(this.#schedulers),
    };
  }
}

function note(set: Set<string>, found: readonly string[]): void {
  for (const name of found) if (set.size < DISTINCT) set.add(name);
}

function names(set: Set<string>): Names {
  return { count: set.size, more: set.size >= DISTINCT, first: [...set].slice(0, SHOWN) };
}

function never(): never {
  throw new Error('a page of a queue that was not selected');
}
