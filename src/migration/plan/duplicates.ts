import type { Bad } from '../entry.js';
import { type EntryBytes, Mark } from './bytes.js';
import type { PlanReader } from './reader.js';

/** Keys that are in memory at a time; of more the records are gone through several times. */
const AT_ONCE = 1 << 20;
const RECORDS = 16_384;

/**
 * Finds entries of the same key. The newest one by the entries' own time is kept, the first of equally
 * old ones, and the others are marked. Yields those, with the place of the one that is kept.
 */
export function* duplicatesIn(
  reader: PlanReader,
  marks: EntryBytes,
  unit: string,
  atOnce = AT_ONCE,
): Generator<Bad> {
  const passes = Math.ceil(reader.count / atOnce);
  for (let pass = 0; pass < passes; pass += 1) {
    const newest = new Newest(Math.min(reader.count, 2 * atOnce));
    for (let first = 0; first < reader.count; first += RECORDS) {
      const records = reader.records(first, RECORDS);
      if (!records) break;
      for (let index = 0; index < records.count; index += 1) {
        const hash = records.hash(index);
        if (passes > 1 && hash % passes !== pass) continue;
        const entry = first + index;
        for (let slot = newest.first(hash); ; slot = newest.next(slot)) {
          const other = newest.entryAt(slot);
          if (other < 0) {
            newest.put(slot, entry, records.check(index));
            break;
          }
          if (newest.checkAt(slot) !== records.check(index)) continue;
          const [one, two] = [reader.read(other, 1), reader.read(entry, 1)];
          if (!one || !two || one.key(0) !== two.key(0)) continue;
          const isNewer = two.moment(0) > one.moment(0);
          const [kept, left] = isNewer ? [two, one] : [one, two];
          if (isNewer) newest.put(slot, entry, records.check(index));
          marks.write(left.first, Uint8Array.of(Mark.superseded));
          yield duplicate(kept.place(0), left.place(0), unit, {
            key: Buffer.from(left.key(0), 'latin1').toString('utf8'),
            same: one.value(0).equals(two.value(0)),
            newer: kept.moment(0) > left.moment(0),
          });
          break;
        }
      }
    }
  }
}

interface Pair {
  key: string;
  same: boolean;
  newer: boolean;
}

function duplicate(kept: number, left: number, unit: string, { key, same, newer }: Pair): Bad {
  const parts = key.split(':');
  const why = same ? 'the same' : newer ? 'newer' : 'the first of them, and no newer one';
  const reason = `the same user and task as ${unit} ${kept}, which is ${why} and is kept`;
  const [user = '', id = ''] = parts.slice(-2);
  return { place: left, problem: 'duplicate', reason, user, id };
}

/** A hash table of entries in typed arrays. */
class Newest {
  readonly #entries: Float64Array;
  readonly #checks: Uint32Array;
  readonly #mask: number;

  constructor(count: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)));
    this.#entries = new Float64Array(size).fill(-1);
    this.#checks = new Uint32Array(size);
    this.#mask = size - 1;
  }

  first(hash: number): number {
    return hash & this.#mask;
  }
  next(slot: number): number {
    return (slot + 1) & this.#mask;
  }
  entryAt(slot: number): number {
    return this.#entries[slot] as number;
  }
  checkAt(slot: number): number {
    return this.#checks[slot] as number;
  }
  put(slot: number, entry: number, check: number): void {
    this.#entries[slot] = entry;
    this.#checks[slot] = check;
  }
}
