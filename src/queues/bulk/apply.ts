import { setTimeout as sleep } from 'node:timers/promises';
import type { Operation, Outcome } from '../operation.js';
import type { Place } from './choose.js';
import { CHUNK, type Chunk, chunks } from './chosen.js';
import { type Group, Groups } from './groups.js';
import { type Journal, openJournal, type Reported } from './journal.js';

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

interface Begun {
  chunk: Chunk;
  /** Jobs before it. */
  from: number;
  outcomes: Promise<Outcome[]>;
}

/**
 * Applies an operation to its chosen jobs, chunk by chunk. That a chunk is begun is on disk before
 * it is applied, its results before another one is begun in its place: after a kill only the jobs of
 * one chunk are in doubt, of an engine with several lanes those of so many. They are applied again,
 * which the engine's guard makes harmless. Ends early, at a chunk's boundary, when the signal is
 * aborted.
 */
export async function* applyChosen(work: Work): AsyncGenerator<Applied> {
  const { folder, places, journal, rate, signal } = work;
  const size = Math.min(CHUNK, rate ?? CHUNK);
  const file = openJournal(folder);
  const start = performance.now();
  const underway: Begun[] = [];
  let begun = journal.position;

  async function end({ chunk, from, outcomes: answer }: Begun): Promise<Applied> {
    const outcomes = withDoubt(await answer, from, journal.begun);
    const position = from + outcomes.length;
    file.write([
      ...outcomes.filter(({ result }) => result !== 'done'),
      { end: position, ...chunk.next, groups: groupsOf(outcomes) },
    ]);
    underway.shift();
    return { outcomes, position };
  }

  try {
    for await (const chunk of chunks(folder, journal.next, size)) {
      // At a rate there is time to tell of one before the next is due.
      const lanes = rate ? 1 : (places[chunk.place] as Place).engine.lanes;
      for (let first = underway[0]; first && underway.length >= lanes; first = underway[0])
        yield await end(first);
      await due(start, begun - journal.position, rate, signal);
      if (signal.aborted) break;
      file.write([{ begin: begun, jobs: chunk.jobs.length }]);
      const noted = file.sync();
      const outcomes = applyTo(work, chunk, noted);
      // They may fail while an earlier one is still awaited.
      for (const promise of [noted, outcomes]) promise.catch(() => {});
      underway.push({ chunk, from: begun, outcomes });
      begun += chunk.jobs.length;
    }
    for (let first = underway[0]; first; first = underway[0]) yield await end(first);
    await file.sync();
  } finally {
    // Nothing goes on behind a failure.
    await Promise.allSettled(underway.map(({ outcomes }) => outcomes));
    file.close();
  }
}

async function applyTo(
  { places, operation }: Work,
  { place, jobs }: Chunk,
  noted: Promise<void>,
): Promise<Outcome[]> {
  const { engine, ref } = places[place] as Place;
  const outcomes = await engine.apply(ref, operation, jobs, noted);
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
    const { engine, source, scope, queue, id, result, detail } = outcome;
    const in_doubt = from + index < begun && (result === 'raced' || result === 'missing');
    // Written out: neither a spread nor Object.assign is quick over 100,000 jobs.
    return { engine, source, scope, queue, id, result, detail, in_doubt };
  });
}

function groupsOf(outcomes: readonly Outcome[]): Group[] {
  const groups = new Groups();
  for (const { result, detail, id } of outcomes) groups.add(result, detail, id);
  return groups.list();
}
