import { setTimeout as sleep } from 'node:timers/promises';
import type { Master, Masters } from '../masters.js';
import { type Chosen, chunks } from './chosen.js';
import { type Journal, openJournal, type Reported } from './journal.js';
import { noCounts } from './store.js';
import type { Write } from './write.js';

/** So many keys are sent at once, and may be in doubt after a kill. */
const CHUNK = 1_000;

export interface Work {
  folder: string;
  masters: Masters;
  write: Write;
  /** Addresses of the masters that the chosen keys were found on. */
  nodes: readonly string[];
  /** How far an earlier run has come. */
  journal: Journal;
  /** Keys a second; undefined: as fast as it goes. */
  rate: number | undefined;
  signal: AbortSignal;
}

export interface Applied {
  outcomes: Reported[];
  /** Keys with a result so far. */
  position: number;
}

/**
 * Changes the chosen keys, chunk by chunk. That a chunk is begun is on disk before it is applied, its
 * results before the next one: after a kill only the keys of one chunk are in doubt. They are changed
 * again, which does no harm: a key that is gone stays gone, a TTL that is there is left alone. Ends
 * early, at a chunk's boundary, when the signal is aborted.
 */
export async function* applyChosen(work: Work): AsyncGenerator<Applied> {
  const { folder, journal, rate, signal } = work;
  const file = openJournal(folder);
  const began = performance.now();
  let { position } = journal;
  try {
    for await (const { keys, next } of chunks(
      folder,
      journal.offset,
      Math.min(CHUNK, rate ?? CHUNK),
    )) {
      await due(began, position - journal.position, rate, signal);
      if (signal.aborted) return;
      file.write([{ begin: position, keys: keys.length }]);
      await file.sync();
      const outcomes = await changeChunk(work, keys, position);
      position += outcomes.length;
      file.write([
        ...outcomes.filter(({ result }) => result !== 'done'),
        { end: position, offset: next, ...sums(outcomes) },
      ]);
      yield { outcomes, position };
    }
    await file.sync();
  } finally {
    file.close();
  }
}

/** All masters at the same time; the outcomes in the order of the keys. */
async function changeChunk(
  { masters, write, nodes, journal }: Work,
  keys: readonly Chosen[],
  from: number,
): Promise<Reported[]> {
  const outcomes: Reported[] = [];
  const groups = new Map<number, number[]>();
  for (const [index, { node }] of keys.entries()) {
    const places = groups.get(node);
    if (places) places.push(index);
    else groups.set(node, [index]);
  }
  await Promise.all(
    [...groups].map(async ([node, places]) => {
      const own = places.map((index) => keys[index] as Chosen);
      const results = await write(masterAt(masters, nodes[node]), own);
      for (const [at, index] of places.entries()) {
        const { result, detail } = results[at] ?? never();
        const in_doubt = from + index < journal.begun && (result === 'gone' || result === 'raced');
        outcomes[index] = { key: (keys[index] as Chosen).key, result, detail, in_doubt };
      }
    }),
  );
  return outcomes;
}

/** After a failover or a resharding another one; who really has a key is found out by asking. */
function masterAt({ nodes }: Masters, address: string | undefined): Master {
  return nodes.find((node) => node.address === address) ?? nodes[0];
}

function sums(outcomes: readonly Reported[]) {
  const counts = noCounts();
  for (const { result } of outcomes) counts[result] += 1;
  return { counts, in_doubt: outcomes.filter(({ in_doubt }) => in_doubt).length };
}

/** Waits until so many are due at a rate a second, or the signal is aborted; `began` is of performance.now. */
export async function due(
  began: number,
  keys: number,
  rate: number | undefined,
  signal: AbortSignal,
) {
  const wait = rate ? began + (keys / rate) * 1_000 - performance.now() : 0;
  if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => {});
}

function never(): never {
  throw new Error('a key without an outcome');
}
