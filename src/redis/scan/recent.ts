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
  #new = new Set<string>();
  #old = new Set<string>();

  /** Those that were not seen lately; they have been now. */
  fresh(keys: string[]): string[] {
    let repeated: string[] | undefined;
    for (let index = 0; index < keys.length; index += 1) {
      const key = remembered(keys[index] as string);
      if (this.#old.has(key) || this.#new.has(key)) repeated ??= keys.slice(0, index);
      else {
        this.#new.add(key);
        repeated?.push(keys[index] as string);
      }
    }
    if (this.#new.size >= RECENT_KEYS) {
      this.#old = this.#new;
      this.#new = new Set();
    }
    return repeated ?? keys;
  }
}

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
