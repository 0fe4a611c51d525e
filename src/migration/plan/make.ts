import { join } from 'node:path';
import type { Masters } from '../../keys/masters.js';
import type { Limits } from '../../redis/channel.js';
import { openLines } from '../../state/lines.js';
import type { Bad, Entry, Read } from '../entry.js';
import { judge, type Rules } from '../judge.js';
import type { Source } from '../sources/source.js';
import { footprint } from '../target/footprint.js';
import { DUMPED, TEXT } from '../target/forms.js';
import { type Lanes, openLanes } from '../target/lanes.js';
import { isValueOf, lookAt, Values } from '../target/replies.js';
import { EntryBytes, Mark } from './bytes.js';
import type { Chunk } from './chunk.js';
import { duplicatesIn } from './duplicates.js';
import { PlanReader } from './reader.js';
import { PlanWriter, type Writing } from './writer.js';

export interface Making {
  folder: string;
  source: Source;
  rules: Rules;
  /** To be asked what it has; undefined: nobody is. */
  masters: Masters | undefined;
  limits: Limits & { signal: AbortSignal };
  /** How far the target's clock is ahead of ours, in ms. */
  ahead_ms: number;
  /** Told of every entry that cannot be moved. */
  onBad(bad: Bad): void;
  onProgress(entries: number): void;
}

/** What was found out while a plan was made. */
export interface Made {
  entries: number;
  records: number;
  bad: number;
  past: number;
  absent: number;
  equal: number;
  differs: number;
  other_type: number;
  bytes: { values: number; memory: number };
  ttl_ms: { shortest: number | null; longest: number | null };
  example_key: string | null;
}

/** Requests of the target that are on their way while more is read. */
const WINDOW = 4;

/** Reads a source to its end, checks every entry, stores the good ones and asks the target what it has. */
export async function makePlan(making: Making): Promise<Made> {
  const { folder, source, rules, masters, limits, onBad, onProgress } = making;
  const badFile = openLines<Bad>(join(folder, 'bad.ndjson'));
  const marks = new EntryBytes(join(folder, 'marks.bin'));
  const lanes = masters ? await openLanes(masters, limits) : undefined;
  const writer = new PlanWriter(folder, rules.kind === 'keys' ? DUMPED : TEXT);
  const tally = new Tally();
  const sayBad = (bad: Bad) => {
    tally.bad += 1;
    badFile.write([bad]);
    onBad(bad);
  };
  try {
    const underway: Promise<void>[] = [];
    const take = async (writing: Writing | undefined) => {
      if (!writing) return;
      const { chunk, stored } = writing;
      const looked = lanes ? look(lanes, chunk, marks, tally) : undefined;
      const done = Promise.all([stored, looked]).then(() => writer.release(chunk));
      // It may fail while an earlier one is awaited.
      done.catch(() => {});
      underway.push(done);
      if (underway.length >= WINDOW) await underway.shift();
      onProgress(writer.count);
    };
    const ahead = making.ahead_ms;
    for await (const batch of source.read(limits.signal)) {
      for (const read of batch) {
        const entry = judgeOne(read, rules);
        if ('problem' in entry) sayBad(entry);
        else if ('past' in entry) tally.past += 1;
        else {
          tally.add(entry);
          // A time to live that the source itself has told counts from now; the plan may be long under way.
          const from = 'ttl_ms' in read ? Date.now() : rules.now;
          const expires = entry.ttl_ms < 0 ? -1 : Math.round(from + entry.ttl_ms + ahead);
          const { key, value, moment, place } = entry;
          const full = writer.add({ key, value, moment, expires, place });
          if (full) await take(full);
        }
      }
    }
    await take(writer.flush());
    await Promise.all(underway);
    await writer.close();
    const reader = new PlanReader(folder);
    try {
      for (const bad of duplicatesIn(reader, marks, source.unit)) {
        // A SCAN may name a key twice; that is nobody's fault.
        if (source.unit !== 'key') sayBad(bad);
        tally.duplicates += 1;
      }
      tally.example_key = exampleIn(reader);
    } finally {
      reader.close();
    }
    await badFile.sync();
    return tally.made(writer.count);
  } finally {
    lanes?.close();
    badFile.close();
    marks.close();
  }
}

function judgeOne(read: Read, rules: Rules) {
  return 'problem' in read ? read : judge(read, rules);
}

/** Asks for the keys of a chunk and marks those that are there. */
async function look(lanes: Lanes, chunk: Chunk, marks: EntryBytes, tally: Tally): Promise<void> {
  const found = new Uint8Array(chunk.count);
  let some = false;
  const loads = lanes.share(chunk, () => true);
  await Promise.all(
    loads.map(({ lane, entries }) => {
      let questions = '';
      for (const index of entries) questions += lookAt(chunk.form, chunk.key(index), undefined);
      return lane.ask(
        questions,
        new Values(entries.length, undefined, (at, what, bytes) => {
          if (what === 'nothing') return;
          const index = entries[at] as number;
          some = true;
          if (what === 'value') {
            const isEqual = isValueOf(chunk, index, bytes);
            found[index] = isEqual ? Mark.equal : Mark.differs;
            if (isEqual) tally.equal += 1;
            else tally.differs += 1;
          } else {
            found[index] = Mark.differs;
            tally.other_type += 1;
          }
        }),
      );
    }),
  );
  if (some) marks.write(chunk.first, found);
}

class Tally {
  bad = 0;
  past = 0;
  equal = 0;
  differs = 0;
  other_type = 0;
  duplicates = 0;
  example_key: string | null = null;
  #values = 0;
  #memory = 0;
  #shortest = Number.POSITIVE_INFINITY;
  #longest = 0;

  add({ key, value, ttl_ms: ttl, memory }: Entry): void {
    this.#values += value.length;
    this.#memory += memory ?? footprint(key.length, value.length);
    if (ttl < 0) {
      this.#longest = Number.POSITIVE_INFINITY;
      return;
    }
    if (ttl < this.#shortest) this.#shortest = ttl;
    if (ttl > this.#longest) this.#longest = ttl;
  }

  made(written: number): Made {
    const entries = written - this.duplicates;
    const { bad, past, equal, differs, other_type, example_key } = this;
    const absent = Math.max(0, written - equal - differs - other_type - this.duplicates);
    const none = written === 0;
    return {
      entries,
      records: written,
      bad,
      past,
      absent,
      equal,
      differs,
      other_type,
      // What is there already takes no more, or about as much as before.
      bytes: {
        values: this.#values,
        memory: none ? 0 : Math.round((this.#memory * absent) / written),
      },
      ttl_ms: {
        shortest: roundedIfAny(this.#shortest),
        longest: none ? null : roundedIfAny(this.#longest),
      },
      example_key,
    };
  }
}

/** A key that never expires has no time to live. */
const roundedIfAny = (ms: number) => (Number.isFinite(ms) ? Math.round(ms) : null);

function exampleIn(reader: PlanReader): string | null {
  const first = reader.read(0, 1);
  return first ? Buffer.from(first.key(0), 'latin1').toString('utf8') : null;
}
