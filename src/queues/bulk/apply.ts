import { setTimeout as sleep } from 'node:timers/promises';
import type { Operation, Outcome } from '../operation.js';
import { type Chunk, chunks, type Place } from './choose.js';
import { type Group, Groups } from './groups.js';
import { type Journal, type JournalFile, openJournal, type Reported } from './journal.js';

/** An engine takes so many jobs at once. */
const CHUNK = 1_000;

export interface Work {
  folder: string;
  operation: Operation;
  /** As the file of chosen jobs numbers them. */
  places: readonly Place[];
  /** How far an earlier run has come. */
  journal: Journal;
  /** Jobs a second; undefined: as fast as it goes. */
  rate?: number | undefined;
  signal: AbortSignal;
}

export interface Applied {
  outcomes: Reported[];
  /** Jobs with a result so far. */
  position: number;
}

/**
 * Applies an operation to its chosen jobs, chunk by chunk. That a chunk is begun is on disk before
 * it is applied, its results as soon as it is done; the next one is sent meanwhile, so that neither
 * side waits for the other. After a kill only the jobs of these two are in doubt. They are applied
 * again, which the engine's guard makes harmless. Ends early, at a chunk's boundary, when the signal
 * is aborted.
 */
export async function* applyChosen(work: Work): AsyncGenerator<Applied> {
  const { folder, journal, rate, signal } = work;
  const size = Math.min(CHUNK, rate ?? CHUNK);
  const file = openJournal(folder);
  const start = performance.now();
  let { position } = journal;
  let running: Running | undefined;
  try {
    for await (const chunk of chunks(folder, journal.offset, size)) {
      // With a rate there is time to wait for, and what is done is to be told before.
      if (rate && running) yield await ended(work, file, running);
      if (rate) running = undefined;
      await due(start, position - journal.position, rate, signal);
      if (signal.aborted) break;
      const next = await begun(work, file, chunk, position);
      position += chunk.jobs.length;
      const last = running;
      running = next;
      if (last) yield await ended(work, file, last);
    }
    if (running) yield await ended(work, file, running);
    running = undefined;
    await file.sync();
  } finally {
    // Whatever went wrong with the one before it: what has been sent is waited for.
    await running?.outcomes.catch(() => {});
    file.close();
  }
}

/** A chunk on its way; `from` is the place of its first job. */
interface Running {
  chunk: Chunk;
  from: number;
  outcomes: Promise<Outcome[]>;
}

async function begun(work: Work, file: JournalFile, chunk: Chunk, from: number): Promise<Running> {
  file.write([{ begin: from, jobs: chunk.jobs.length }]);
  await file.sync();
  const outcomes = applyTo(work, chunk);
  // It is awaited after the chunk before it, which may fail first.
  outcomes.catch(() => {});
  return { chunk, from, outcomes };
}

async function ended({ journal }: Work, file: JournalFile, running: Running): Promise<Applied> {
  const { chunk, from } = running;
  const outcomes = withDoubt(await running.outcomes, from, journal.begun);
  const position = from + outcomes.length;
  file.write([
    ...outcomes.filter(({ result }) => result !== 'done'),
    { end: position, offset: chunk.next, groups: groupsOf(outcomes) },
  ]);
  return { outcomes, position };
}

async function applyTo({ places, operation }: Work, { place, jobs }: Chunk): Promise<Outcome[]> {
  const { engine, ref } = places[place] as Place;
  const outcomes = await engine.apply(ref, operation, jobs);
  // The journal counts jobs: one without an answer would shift all that come after it.
  if (outcomes.length !== jobs.length) {
    throw new Error(`${outcomes.length} outcomes for ${jobs.length} jobs of ${ref.queue}`);
  }
  return outcomes;
}

/** Waits until so many jobs are due at the rate, or the signal is aborted. */
async function due(began: number, jobs: number, rate: number | undefined, signal: AbortSignal) {
  const wait = rate ? began + (jobs / rate) * 1_000 - performance.now() : 0;
  if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => {});
}

/**
 * Jobs that a killed run had begun with and that are found changed: whether it was that run or
 * somebody else is written nowhere, so it is said and not guessed.
 */
function withDoubt(outcomes: Outcome[], from: number, begun: number): Reported[] {
  return outcomes.map((outcome, index) => {
    const { result } = outcome;
    const in_doubt = from + index < begun && (result === 'raced' || result === 'missing');
    return Object.assign(outcome, { in_doubt });
  });
}

function groupsOf(outcomes: readonly Outcome[]): Group[] {
  const groups = new Groups();
  for (const { result, detail, id } of outcomes) groups.add(result, detail, id);
  return groups.list();
}
