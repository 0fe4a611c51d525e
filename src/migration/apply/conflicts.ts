import { command } from '../../redis/scan/stream.js';
import type { LinesFile } from '../../state/lines.js';
import { momentOf } from '../moment.js';
import { Code } from '../outcome.js';
import type { Chunk } from '../plan/chunk.js';
import type { ConflictMode } from '../plan/store.js';
import { firstAt, type Shape } from '../shape.js';
import type { Lane } from '../target/lanes.js';
import { type Expiry, isValueOf, lookAt, Values, Written } from '../target/replies.js';
import type { Undo } from './undo.js';

export interface Conflicts {
  lane: Lane;
  chunk: Chunk;
  mode: ConflictMode;
  shape: Shape;
  expiry: Expiry;
  undo: LinesFile<Undo>;
  /** Did an earlier run of this plan write what is found equal, with this time of expiry? */
  isOurs(entry: number, deadline: number): number | undefined;
}

/** A live writer may win every time; after so many attempts its value is the newer one. */
const ATTEMPTS = 8;

/** Decides about entries whose keys are there; returns an outcome for each, `open` for what `fail` refuses. */
export async function resolve(
  conflicts: Conflicts,
  entries: readonly number[],
): Promise<Map<number, number>> {
  const outcomes = new Map<number, number>();
  let left = entries;
  for (let attempt = 0; left.length > 0 && attempt < ATTEMPTS; attempt += 1) {
    left = await once(conflicts, left, outcomes);
  }
  for (const index of left) outcomes.set(index, Code.newer);
  return outcomes;
}

/** One look at each and one attempt; returns those that somebody else changed in between. */
async function once(
  conflicts: Conflicts,
  entries: readonly number[],
  outcomes: Map<number, number>,
): Promise<number[]> {
  const { lane, chunk, expiry } = conflicts;
  const vanished: number[] = [];
  const older: (Undo & { index: number })[] = [];
  const questions = entries.map((index) => lookAt(chunk.form, chunk.key(index), expiry)).join('');
  const reader = new Values(entries.length, expiry, (at, found, bytes, deadline) => {
    const index = entries[at] as number;
    if (found === 'nothing') vanished.push(index);
    else if (found === 'hidden') outcomes.set(index, Code.hidden);
    else if (found === 'other type') outcomes.set(index, Code.other_type);
    else if (isValueOf(chunk, index, bytes)) {
      const ours = conflicts.isOurs(chunk.first + index, deadline);
      outcomes.set(index, ours ?? Code.equal);
    } else {
      const value = bytes.buffer.toString('latin1', bytes.from, bytes.to);
      const outcome = decide(conflicts, index, value);
      if (outcome === undefined) {
        const expires = expiry === 'PTTL' && deadline >= 0 ? Date.now() + deadline : deadline;
        older.push({
          index,
          entry: chunk.first + index,
          value,
          expires: expires < 0 ? null : expires,
        });
      } else outcomes.set(index, outcome);
    }
  });
  await lane.ask(questions, reader);
  const raced = await replace(conflicts, older, outcomes);
  return [...(await createAgain(conflicts, vanished, outcomes)), ...raced];
}

/** What to do about another value: an outcome, or undefined where it is to be overwritten. */
function decide({ mode, chunk, shape }: Conflicts, index: number, value: string) {
  if (mode === 'overwrite') return undefined;
  if (mode === 'skip') return Code.skipped;
  if (mode === 'fail') return Code.open;
  const there = momentIn(Buffer.from(value, 'latin1'), shape);
  const planned = chunk.moment(index);
  if (Number.isNaN(there) || Number.isNaN(planned)) return Code.unknown;
  return planned > there ? undefined : Code.newer;
}

/** When a stored value was changed last; NaN where it does not say. */
export function momentIn(value: Buffer, shape: Shape): number {
  try {
    const parsed: unknown = JSON.parse(value.toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null) return Number.NaN;
    return momentOf(firstAt(parsed, shape.updatedAt));
  } catch {
    return Number.NaN;
  }
}

async function replace(
  { lane, chunk, undo }: Conflicts,
  older: readonly (Undo & { index: number })[],
  outcomes: Map<number, number>,
): Promise<number[]> {
  if (older.length === 0) return [];
  undo.write(older.map(({ index: _, ...line }) => line));
  await undo.sync();
  const written = new Written(older.length);
  const commands = older.map(({ index, value }) =>
    command(
      'EVAL',
      chunk.form.replace,
      1,
      chunk.key(index),
      value,
      chunk.value(index).toString('latin1'),
      chunk.expires(index),
    ),
  );
  await lane.ask(commands.join(''), written);
  return sorted(
    written,
    older.map(({ index }) => index),
    outcomes,
    Code.replaced,
  );
}

async function createAgain(
  { lane, chunk }: Conflicts,
  entries: readonly number[],
  outcomes: Map<number, number>,
): Promise<number[]> {
  // What expires at once is not there either, and would be tried for ever.
  const now = Date.now();
  const live = entries.filter((index) => chunk.isLive(index, now));
  for (const index of entries) if (!live.includes(index)) outcomes.set(index, Code.expired);
  if (live.length === 0) return [];
  const written = new Written(live.length);
  await lane.ask(Buffer.concat(live.map((index) => chunk.command(index))), written);
  return sorted(written, live, outcomes, Code.created);
}

/** What became of an entry that the target has refused, by its code in `Written`. */
export function refusedAs(code: number | undefined): number {
  return code === 3 ? Code.unreadable : Code.hidden;
}

/** Notes what was done and returns what was not. */
function sorted(
  { codes }: Written,
  entries: readonly number[],
  outcomes: Map<number, number>,
  done: number,
): number[] {
  return entries.filter((index, at) => {
    if (codes[at] === 0) return true;
    outcomes.set(index, codes[at] === 1 ? done : refusedAs(codes[at]));
    return false;
  });
}
