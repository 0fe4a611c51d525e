import { createHash } from 'node:crypto';

/** Names longer than this are remembered by their digest: a thousand names of 1 MB are too much. */
const LONG = 256;

const remembered = (key: string) =>
  key.length <= LONG ? key : `\0${createHash('sha1').update(key, 'latin1').digest('base64')}`;

/**
 * The last keys of one cursor, at least RECENT_KEYS of them. When a table shrinks, the first call after it
 * shows a whole bucket of the smaller table again, of which a part was visited (position.ts): those keys are
 * the newest that this cursor has seen, and are dropped here. Bounded, so a shrink by so much
 * that one new bucket held more than that is beyond it; `Resizes` tells.
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

export const RECENT_KEYS = 1_000;

/** Whether a table shrank by more than RecentKeys can make up for, told by the cursors that come back. */
export class Resizes {
  beyond = false;
  #replies = 0;
  #bits = 0;
  #before = 0;

  /** `cursors` go through the table at once; `keys` is DBSIZE at the start. */
  constructor(
    private readonly cursors: number,
    private readonly keys: number,
  ) {}

  /**
   * A cursor is below the size of its table, and at least half of that every second time: the largest of
   * a few tells the size but for a chance of one in thousands.
   */
  saw(cursor: string): void {
    const bits = BigInt(cursor).toString(2).length;
    this.#bits = Math.max(this.#bits, bits);
    this.#replies += 1;
    if (this.#replies < 2 * this.cursors + 8) return;
    const shrunk = 2 ** (this.#before - this.#bits);
    const load = Math.max(1, this.keys / 2 ** this.#before);
    if (shrunk >= 4 && (shrunk * load > RECENT_KEYS || 2 ** this.#bits < this.cursors))
      this.beyond = true;
    this.#before = this.#bits;
    this.#bits = 0;
    this.#replies = 0;
  }
}
