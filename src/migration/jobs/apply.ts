import { join } from 'node:path';
import { due } from '../../keys/bulk/apply.js';
import type { JobAdder } from '../../queues/adding.js';
import { openJournal, readJournal } from '../apply/journal.js';
import { Code } from '../outcome.js';
import { EntryBytes } from '../plan/bytes.js';
import { plannedJobs, toNew } from './plan.js';

export interface WorkingOnJobs {
  folder: string;
  adder: JobAdder;
  rate: number | undefined;
  signal: AbortSignal;
}

export interface JobStep {
  position: number;
  written: number;
  /** Added by a run that was killed before it could say so. */
  in_doubt: number;
  /** Jobs that could not be added, because their queue is not there. */
  left: { queue: string; id: string; place: number }[];
}

/**
 * Adds the jobs of a plan under their own ids: one that the queue has is left as it is, so that it can be
 * repeated. What this plan has added once is not added again when it has been worked off and cleaned up.
 */
export async function* applyJobs(working: WorkingOnJobs): AsyncGenerator<JobStep> {
  const { folder, adder, rate, signal } = working;
  const { begun } = await readJournal(folder);
  const outcomes = new EntryBytes(join(folder, 'outcomes.bin'));
  const marks = new EntryBytes(join(folder, 'marks.bin'));
  const journal = openJournal(folder);
  const began = performance.now();
  let position = 0;
  try {
    for await (const jobs of plannedJobs(folder)) {
      await due(began, position, rate, signal);
      if (signal.aborted) break;
      const codes = outcomes.read(position, jobs.length);
      const known = marks.read(position, jobs.length);
      const open = [...jobs.keys()].filter((index) => codes[index] !== Code.created);
      const now = Date.now();
      journal.write([{ begun: position + jobs.length }]);
      await journal.sync();
      const answers = await adder.add(
        open.flatMap((index) => (jobs[index] ? toNew(jobs[index], now) : [])),
      );
      const step: JobStep = { position, written: 0, in_doubt: 0, left: [] };
      for (const [at, index] of open.entries()) {
        const isNew = codes[index] === Code.open && known[index] === 0;
        const isOurs = answers[at] === 'there' && isNew && position + index < begun;
        if (answers[at] === 'added') step.written += 1;
        if (isOurs) step.in_doubt += 1;
        const job = jobs[index];
        if (answers[at] === 'no_queue' && job) {
          codes[index] = Code.unknown;
          step.left.push({ queue: job.queue, id: job.id, place: job.place });
        } else codes[index] = answers[at] === 'added' || isOurs ? Code.created : Code.equal;
      }
      outcomes.write(position, codes);
      position += jobs.length;
      step.position = position;
      journal.write([{ end: position }]);
      yield step;
    }
    await journal.sync();
  } finally {
    for (const file of [outcomes, marks, journal]) file.close();
  }
}

export interface JobsTakenBack {
  removed: number;
  started: number;
  gone: number;
  left: { queue: string; id: string; place: number }[];
}

/** Removes the jobs that a plan has added and no worker has had yet. */
export async function takeJobsBack({
  folder,
  adder,
  signal,
}: Omit<WorkingOnJobs, 'rate'>): Promise<JobsTakenBack> {
  const outcomes = new EntryBytes(join(folder, 'outcomes.bin'));
  const sums: JobsTakenBack = { removed: 0, started: 0, gone: 0, left: [] };
  let position = 0;
  try {
    for await (const jobs of plannedJobs(folder)) {
      signal.throwIfAborted();
      const codes = outcomes.read(position, jobs.length);
      const ours = jobs.filter((_, index) => codes[index] === Code.created);
      const answers = await adder.takeBack(ours.map((job) => toNew(job, 0)));
      for (const [at, answer] of answers.entries()) {
        sums[answer] += 1;
        const job = ours[at];
        if (answer === 'started' && job)
          sums.left.push({ queue: job.queue, id: job.id, place: job.place });
      }
      position += jobs.length;
    }
    return sums;
  } finally {
    outcomes.close();
  }
}

export interface JobsCompared {
  /** In their queue; added and by now worked off or removed; never added. */
  there: number;
  gone: number;
  missing: { queue: string; id: string; place: number }[];
}

/** Looks for every job of a plan. */
export async function compareJobs({
  folder,
  adder,
  signal,
}: Omit<WorkingOnJobs, 'rate'>): Promise<JobsCompared> {
  const outcomes = new EntryBytes(join(folder, 'outcomes.bin'));
  const sums: JobsCompared = { there: 0, gone: 0, missing: [] };
  let position = 0;
  try {
    for await (const jobs of plannedJobs(folder)) {
      signal.throwIfAborted();
      const codes = outcomes.read(position, jobs.length);
      const there = await adder.has(jobs.map((job) => toNew(job, 0)));
      for (const [index, { queue, id, place }] of jobs.entries()) {
        if (there[index]) sums.there += 1;
        else if (codes[index] === Code.created || codes[index] === Code.equal) sums.gone += 1;
        else sums.missing.push({ queue, id, place });
      }
      position += jobs.length;
    }
    return sums;
  } finally {
    outcomes.close();
  }
}
