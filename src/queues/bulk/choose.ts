import { appendFileSync, closeSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { stateWrite } from '../../state/folder.js';
import { linesOf } from '../../state/lines.js';
import type { Engine } from '../engine.js';
import { type JobFilter, matches } from '../filter.js';
import type { Job } from '../job.js';
import type { Chosen } from '../operation.js';
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

const fileOf = (folder: string) => join(folder, 'chosen.ndjson');

/** Writes chosen jobs to an operation's file; everything is on disk after `close`. */
export function openChosen(folder: string): { write(page: Page): void; close(): void } {
  const path = fileOf(folder);
  const file = stateWrite(path, () => openSync(path, 'wx', 0o600));
  return {
    write({ place, jobs }) {
      const text = jobs
        .map(({ id, seen }) => `[${place},${JSON.stringify(id)},${JSON.stringify(seen)}]\n`)
        .join('');
      stateWrite(path, () => appendFileSync(file, text));
    },
    close() {
      stateWrite(path, () => fsyncSync(file));
      closeSync(file);
    },
  };
}

export interface Chunk {
  place: number;
  jobs: Chosen[];
  /** Where the next chunk starts, in bytes. */
  next: number;
}

/** The chosen jobs from `offset` on, in chunks of one queue and at most `size`. */
export async function* chunks(folder: string, offset: number, size: number): AsyncGenerator<Chunk> {
  let next = offset;
  let rest: string[] = [];
  for await (const piece of linesOf(fileOf(folder), offset)) {
    rest = rest.concat(piece);
    for (; rest.length >= size; rest = rest.slice(size)) yield* parsed(rest.slice(0, size));
  }
  yield* parsed(rest);

  /** Parsed all at once, which takes a third of the time; then one chunk a queue. */
  function* parsed(lines: string[]): Generator<Chunk> {
    const entries = JSON.parse(`[${lines.join(',')}]`) as [number, string, string][];
    let from = 0;
    for (let to = 1; to <= entries.length; to += 1) {
      const place = entries[from]?.[0];
      if (place === undefined || entries[to]?.[0] === place) continue;
      next += Buffer.byteLength(lines.slice(from, to).join('')) + to - from;
      yield { place, jobs: entries.slice(from, to).map(([, id, seen]) => ({ id, seen })), next };
      from = to;
    }
  }
}
