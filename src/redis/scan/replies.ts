import { ReplyError } from '../resp.js';
import { type Bytes, Kind, type Reader } from './stream.js';

/** The reply to one SCAN. */
export class ScanReply implements Reader {
  cursor = '';
  keys: string[] = [];
  error: ReplyError | undefined;
  /** Of all names together. */
  bytes = 0;
  #left = -2;

  constructor(private readonly done: (reply: ScanReply) => void) {}

  read(bytes: Bytes): boolean {
    if (this.#left === -2) {
      if (!bytes.more()) return false;
      if (bytes.kind() === Kind.error) {
        const line = bytes.line();
        if (line === undefined) return false;
        this.error = new ReplyError(line);
        this.done(this);
        return true;
      }
      if (bytes.kind() !== Kind.array) throw bytes.notExpected();
      if (bytes.number() === undefined) return false;
      this.#left = -1;
    }
    if (this.cursor === '') {
      const cursor = bytes.bulk();
      if (cursor === undefined) return false;
      this.cursor = cursor;
    }
    if (this.#left === -1) {
      if (!bytes.more()) return false;
      if (bytes.kind() !== Kind.array) throw bytes.notExpected();
      const count = bytes.number();
      if (count === undefined) return false;
      this.#left = count;
    }
    for (; this.#left > 0; this.#left -= 1) {
      const key = bytes.bulk();
      if (key === undefined) return false;
      this.bytes += key.length;
      this.keys.push(key);
    }
    this.done(this);
    return true;
  }
}

/** What a number stands for when there was none. */
export const NIL = -1_000;
const FAILED = Number.NaN;

/** Short replies (status, integer, nil, error) in a row, as numbers; a status is its place in `words`. */
export class ShortReplies implements Reader {
  readonly values: Float64Array;
  readonly words: string[] = [];
  /** What each failed reply said, by its place. */
  readonly errors = new Map<number, ReplyError>();
  #at = 0;

  constructor(
    length: number,
    private readonly done: (replies: ShortReplies) => void,
  ) {
    this.values = new Float64Array(length);
  }

  read(bytes: Bytes): boolean {
    const { values } = this;
    for (; this.#at < values.length; this.#at += 1) {
      if (!bytes.more()) return false;
      const kind = bytes.kind();
      if (kind === Kind.integer || kind === Kind.bulk) {
        const value = bytes.number();
        if (value === undefined) return false;
        if (kind === Kind.bulk && value !== -1) throw bytes.notExpected();
        values[this.#at] = kind === Kind.bulk ? NIL : value;
      } else if (kind === Kind.error) {
        const line = bytes.line();
        if (line === undefined) return false;
        this.errors.set(this.#at, new ReplyError(line));
        values[this.#at] = FAILED;
      } else {
        const word = this.#word(bytes);
        if (word < 0) return false;
        values[this.#at] = word;
      }
    }
    this.done(this);
    return true;
  }

  /** The place of a status in `words`: the same few come a million times, so no string is made of each. */
  #word(bytes: Bytes): number {
    const end = bytes.lineEnd();
    if (end < 0 || end + 1 >= bytes.buffer.length) return -1;
    const start = bytes.at + 1;
    let place = 0;
    for (; place < this.words.length; place += 1) {
      const word = this.words[place] as string;
      if (word.length !== end - start) continue;
      let index = 0;
      while (index < word.length && word.charCodeAt(index) === bytes.buffer[start + index])
        index += 1;
      if (index === word.length) break;
    }
    if (place === this.words.length) this.words.push(bytes.buffer.toString('latin1', start, end));
    bytes.at = end + 2;
    return place;
  }
}
