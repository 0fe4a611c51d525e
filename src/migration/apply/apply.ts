import { join } from 'node:path';
import { CacheOpsError } from '../../errors.js';
import { due } from '../../keys/bulk/apply.js';
import type { Masters } from '../../keys/masters.js';
import type { Limits } from '../../redis/channel.js';
import { Code } from '../outcome.js';
import { EntryBytes, Mark } from '../plan/bytes.js';
import type { Chunk } from '../plan/chunk.js';
import { PlanReader } from '../plan/reader.js';
import type { ConflictMode } from '../plan/store.js';
import type { Shape } from '../shape.js';
import { type Lanes, type Load, openLanes } from '../target/lanes.js';
import { Written } from '../target/replies.js';
import type { TargetState } from '../target/state.js';
import { refusedAs, resolve } from './conflicts.js';
import { type Journal, openJournal } from './journal.js';
import { openUndo, undoneFrom } from './undo.js';

export interface Applying {
  folder: string;
  masters: Masters;
  limits: Limits & { signal: AbortSignal };
  state: TargetState;
  mode: ConflictMode;
  shape: Shape;
  journal: Journal;
  /** The entry to begin with: the journal's, or the first. */
  from: number;
  /** Entries a second; undefined: as fast as it goes. */
  rate: number | undefined;
}

/** Some entries and what became of them. */
export interface Step {
  chunk: Chunk;
  outcomes: Uint8Array;
  /** Entries with an outcome so far. */
  position: number;
  /** Keys that this run has written. */
  written: number;
  /** Keys that an earlier run has written, but was killed before it could say so. */
  in_doubt: number;
}

/** Chunks that are on their way to the target. */
const WINDOW = 4;
/** How far ahead of what is written the journal says that it may be. */
const AHEAD = 64_000;

/**
 * Writes a plan's entries. Each is SET NX with the moment of its expiry, which creates or leaves; what is
 * there is looked at and decided about on its own. A kill at any moment leaves outcomes up to some entry;
 * those after it are tried again, which finds them as this plan would write them, to the millisecond of
 * their expiry, and so knows them as its own. Ends early, between chunks, when the signal is aborted.
 */
export async function* applyPlan(applying: Applying): AsyncGenerator<Step> {
  const { folder, masters, limits, rate, from } = applying;
  const reader = new PlanReader(folder);
  const marks = new EntryBytes(join(folder, 'marks.bin'));
  const outcomes = new EntryBytes(join(folder, 'outcomes.bin'));
  const journal = openJournal(folder);
  const undo = openUndo(folder);
  const began = performance.now();
  let lanes: Lanes | undefined;
  let begun = 0;
  const underway: Underway[] = [];
  try {
    lanes = await openLanes(masters, limits);
    journal.write([{ run: applying.state.run_ids }]);
    const deciding = {
      ...applying,
      undo,
      undone: await undoneFrom(folder, applying.journal.position),
    };
    const end = async (): Promise<Step> => {
      const first = underway[0] as Underway;
      const step = await settle(first, deciding, outcomes);
      underway.shift();
      outcomes.write(first.chunk.first, step.outcomes);
      journal.write([{ end: step.position }]);
      return step;
    };
    for (let position = from; position < reader.count; ) {
      if (limits.signal.aborted) break;
      const chunk = reader.read(position, rate);
      if (!chunk) break;
      await due(began, position - from, rate, limits.signal);
      if (limits.signal.aborted) break;
      position += chunk.count;
      if (position > begun) {
        begun = Math.min(reader.count, position + AHEAD);
        journal.write([{ begun }]);
        await journal.sync();
      }
      underway.push(send(lanes, chunk, marks, applying));
      // At a rate there is time to tell of one before the next is due.
      while (underway.length >= (rate ? 1 : WINDOW)) {
        const step = await end();
        yield step;
        reader.release(step.chunk);
      }
    }
    while (underway.length > 0) yield await end();
    await journal.sync();
  } finally {
    await Promise.allSettled(underway.flatMap(({ sent }) => sent));
    lanes?.close();
    reader.close();
    for (const file of [marks, outcomes, journal, undo]) file.close();
  }
}

interface Underway {
  chunk: Chunk;
  marks: Uint8Array;
  loads: (Load & { written: Written })[];
  sent: Promise<void>[];
}

/** Sends what is to be written of a chunk to its masters. */
function send(lanes: Lanes, chunk: Chunk, markFile: EntryBytes, { state }: Applying): Underway {
  const marks = markFile.read(chunk.first, chunk.count);
  const now = Date.now() + state.ahead_ms;
  const isDue = (index: number) =>
    ((marks[index] as number) & Mark.superseded) === 0 && chunk.isLive(index, now);
  const loads = lanes
    .share(chunk, isDue)
    .map((load) => ({ ...load, written: new Written(load.entries.length) }));
  const sent = loads.map(({ lane, entries, written }) =>
    lane.ask(
      entries.length === chunk.count
        ? chunk.commands
        : Buffer.concat(entries.map((index) => chunk.command(index))),
      written,
    ),
  );
  // They may fail while an earlier chunk is awaited.
  for (const answer of sent) answer.catch(() => {});
  return { chunk, marks, loads, sent };
}

type Deciding = Applying & Pick<Parameters<typeof resolve>[0], 'undo'> & { undone: Set<number> };

/** The outcomes of a chunk: of what was there already after a second look. */
async function settle(
  { chunk, marks, loads, sent }: Underway,
  deciding: Deciding,
  earlier: EntryBytes,
): Promise<Step> {
  const { state, mode, shape, undo, undone, journal } = deciding;
  await Promise.all(sent);
  const before = earlier.read(chunk.first, chunk.count);
  const outcomes = new Uint8Array(chunk.count).fill(Code.expired);
  for (let index = 0; index < chunk.count; index += 1)
    if ((marks[index] as number) & Mark.superseded) outcomes[index] = Code.duplicate;
  let in_doubt = 0;
  let ours = 0;
  const isOurs = (entry: number, deadline: number): number | undefined => {
    const index = entry - chunk.first;
    const known = before[index];
    if (!isPlanned(chunk.expires(index), deadline, state)) return undefined;
    if (known === Code.created || known === Code.replaced) {
      ours += 1;
      return known;
    }
    if (entry >= journal.begun || (marks[index] as number) & Mark.equal) return undefined;
    in_doubt += 1;
    return undone.has(entry) ? Code.replaced : Code.created;
  };
  for (const { lane, entries, written } of loads) {
    const there: number[] = [];
    for (const [at, index] of entries.entries()) {
      if (written.codes[at] === 0) there.push(index);
      else outcomes[index] = written.codes[at] === 1 ? Code.created : refusedAs(written.codes[at]);
    }
    if (there.length === 0) continue;
    const { expiry } = state;
    const decided = await resolve({ lane, chunk, mode, shape, expiry, undo, isOurs }, there);
    for (const [index, outcome] of decided) outcomes[index] = outcome;
    if (mode === 'fail') refuseConflict(chunk, outcomes);
  }
  let written = -ours - in_doubt;
  for (const code of outcomes) if (code === Code.created || code === Code.replaced) written += 1;
  return { chunk, outcomes, position: chunk.first + chunk.count, written, in_doubt };
}

/** Does a key expire at the very moment that was planned? Before Redis 7 only about then. */
export function isPlanned(
  planned: number,
  deadline: number,
  { expiry, ahead_ms }: Pick<TargetState, 'expiry' | 'ahead_ms'>,
): boolean {
  if (expiry === 'PEXPIRETIME' || planned < 0) return planned === deadline;
  return Math.abs(Date.now() + ahead_ms + deadline - planned) < 1_500;
}

function refuseConflict(chunk: Chunk, outcomes: Uint8Array): void {
  const index = outcomes.indexOf(Code.open);
  if (index < 0) return;
  const key = Buffer.from(chunk.key(index), 'latin1').toString('utf8');
  throw new CacheOpsError(
    'refused',
    `${key} is there and has another value`,
    'choose what is to happen then: --on-conflict newer, skip or overwrite',
  );
}
