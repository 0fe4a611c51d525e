import { createHash } from 'node:crypto';

/** Names longer than this are remembered by their digest: a thousand names of 1 MB are too much. */
const LONG = 256;

const remembered = (key: string) =>
  key.length <= LONG ? key : `\0${createHash('sha1').update(key, 'latin1').digest('base64')}`;

/**
 * The last keys of one cursor, at least RECENT_KEYS of them. When a table shrinks, the first call after it
 * shows a whole bucket of the smaller table again, of which a part was visited (position.ts): those keys are
 * the newest that this cursor has seen, and are dropped here. Bounded: a bucket of a table that has shrunk to
 * `n` keys holds what was once `before / n` of them, so it is exact unless nearly all keys go (`mayRepeat`).
 */
export class RecentKeys {
  /** Of the last calls, the oldest first. */
  #calls: string[][] = [];
  #keys = 0;

  /** Those of a call that were not seen lately; they have been now. `suspect`: the table may have shrunk. */
  fresh(keys: string[], suspect: boolean): string[] {
    const names = keys.some((key) => key.length > LONG) ? keys.map(remembered) : keys;
    const repeated = suspect ? this.#repeated(names) : NONE;
    this.#calls.push(names);
    this.#keys += names.length;
    while (this.#keys - (this.#calls[0] as string[]).length >= RECENT_KEYS)
      this.#keys -= (this.#calls.shift() as string[]).length;
    return repeated.size === 0
      ? keys
      : keys.filter((_, index) => !repeated.has(names[index] as string));
  }

  #repeated(names: readonly string[]): Set<string> {
    const repeated = new Set<string>();
    const asked = new Set(names);
    for (const call of this.#calls) for (const key of call) if (asked.has(key)) repeated.add(key);
    return repeated;
  }
}

const NONE: ReadonlySet<string> = new Set();

const RECENT_KEYS = 1_000;

/**
 * A table with less than this part of its keys left may have shrunk beyond what is remembered. It allows
 * for Valkey 8.1, whose buckets hold seven keys.
 */
const FEW_LEFT = 0.01;

/** Whether the keys of a table fell by so much during a scan that some may have been handed over twice. */
export function mayRepeat(most: number, least: number): boolean {
  return least < most * FEW_LEFT;
}
