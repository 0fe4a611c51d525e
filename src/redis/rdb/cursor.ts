import { unpack } from './lzf.js';

/** Thrown where the bytes at hand end within a unit: it is read again when there are more. */
export const SHORT = new Error('more bytes are needed');

/** What is not as the format has it: where, what was expected and what is there. */
export class CorruptError extends Error {
  override readonly name = 'CorruptError';
  constructor(
    readonly offset: number,
    readonly expected: string,
    readonly found: string,
  ) {
    super(`${expected} expected at ${offset}, found ${found}`);
  }
}

/** Longer keys (Redis allows 512 MB) are cut: one has to be in memory as a whole. */
const STRING_LIMIT = 16 * 2 ** 20;
/** No unit is longer: what asks for more is corrupt. */
const UNIT_LIMIT = STRING_LIMIT + 2 ** 20;
/** The longest header of a compact encoding (ziplist: bytes, tail, count), and LZF that yields it for sure. */
const HEAD = 10;
const PACKED_HEAD = 2 * HEAD + 12;

const INT8 = 0xc0;
const INT16 = 0xc1;
const INT32 = 0xc2;
const LZF = 0xc3;

/**
 * Reads units (an opcode, a key, an element) from the bytes at hand. A unit that is whole is committed;
 * one that is not throws SHORT and begins again at its mark. To skip is to move `at`, beyond the end
 * too: a value of any size goes by without being held. So a long string is always the last of its unit.
 */
export class Cursor {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  end = 0;
  /** Where the current unit begins. */
  mark = 0;
  /** The offset of `bytes[0]` in the file. */
  base = 0;
  /** How long the last string was before it was cut, and how many were. */
  stringLength = 0;
  cut = 0;
  /** What a compact value begins with: HEAD bytes from `headAt`, or all of it. */
  head: Uint8Array = this.bytes;
  headAt = 0;
  /** Where that value begins in the file. */
  headOffset = 0;
  readonly #packedHead = new Uint8Array(HEAD);
  #scratch = Buffer.alloc(1_024);

  get offset(): number {
    return this.base + this.at;
  }

  commit(): void {
    this.mark = this.at;
  }

  ensure(count: number): void {
    if (this.at + count <= this.end) return;
    const unit = this.at + count - this.mark;
    if (unit > UNIT_LIMIT) this.corrupt(`at most ${UNIT_LIMIT} bytes of a name`, `${unit}`);
    throw SHORT;
  }

  corrupt(expected: string, found: string, offset = this.offset): never {
    throw new CorruptError(offset, expected, found);
  }

  byte(): number {
    if (this.at >= this.end) this.ensure(1);
    return this.bytes[this.at++] as number;
  }

  skip(count: number): void {
    this.at += count;
  }

  u32(): number {
    this.ensure(4);
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  /** A signed number of 64 bits, exact to 2^53. */
  i64(): number {
    this.ensure(8);
    this.at += 8;
    return this.bytes.readInt32LE(this.at - 4) * 2 ** 32 + this.bytes.readUInt32LE(this.at - 8);
  }

  /** A length or count. */
  length(): number {
    const first = this.byte();
    if (first < 0x40) return first;
    if (first < 0x80) return ((first & 0x3f) << 8) | this.byte();
    if (first === 0x80 || first === 0x81) {
      const size = first === 0x80 ? 4 : 8;
      this.ensure(size);
      const high = size === 8 ? this.bytes.readUInt32BE(this.at) * 2 ** 32 : 0;
      this.at += size;
      return high + this.bytes.readUInt32BE(this.at - 4);
    }
    return this.corrupt('a length', hex(first), this.offset - 1);
  }

  /** Passes a string and returns its length; an integer's is that of its digits. */
  skipString(): number {
    if (this.at < this.end) {
      const first = this.bytes[this.at] as number;
      if (first < 0x40) {
        this.at += 1 + first;
        return first;
      }
    }
    return this.#skipLongString();
  }

  #skipLongString(): number {
    this.ensure(1);
    const first = this.bytes[this.at] as number;
    if (first >= INT8 && first <= INT32) return digits(this.#integer());
    if (first === LZF) {
      this.at += 1;
      const packed = this.length();
      const length = this.length();
      this.skip(packed);
      return length;
    }
    const length = this.length();
    this.skip(length);
    return length;
  }

  /** Passes the string that holds a compact value and returns its length; its first bytes are in `head`. */
  skipBlob(): number {
    this.ensure(1);
    this.headOffset = this.offset;
    const packed = this.bytes[this.at] === LZF;
    if (packed) this.at += 1;
    const stored = this.length();
    const length = packed ? this.length() : stored;
    const first = Math.min(stored, packed ? PACKED_HEAD : HEAD);
    this.ensure(first);
    this.head = packed ? this.#packedHead : this.bytes;
    this.headAt = packed ? 0 : this.at;
    const wanted = Math.min(HEAD, length);
    if (packed && unpack(this.bytes, this.at, this.at + first, this.#packedHead, wanted) < wanted)
      this.corrupt(`LZF of ${length} bytes`, 'something else', this.headOffset);
    this.skip(stored);
    return length;
  }

  /** A string, one latin1 character a byte, cut where it is too long. */
  string(): string {
    this.ensure(1);
    const first = this.bytes[this.at] as number;
    if (first >= INT8 && first <= INT32) return this.#integerText();
    if (first === LZF) return this.#packedString();
    const length = this.length();
    const held = this.#held(length, length);
    const text = this.bytes.toString('latin1', this.at, this.at + held);
    this.skip(length);
    return text;
  }

  #packedString(): string {
    const began = this.offset;
    this.at += 1;
    const packed = this.length();
    const length = this.length();
    const held = this.#held(length, packed);
    const available = Math.min(packed, STRING_LIMIT);
    if (this.#scratch.length < held) this.#scratch = Buffer.allocUnsafe(held);
    const out = unpack(this.bytes, this.at, this.at + available, this.#scratch, held);
    if (out < 0 || (out < held && available === packed))
      this.corrupt(`LZF of ${length} bytes`, 'something else', began);
    this.skip(packed);
    const text = this.#scratch.toString('latin1', 0, out);
    if (this.#scratch.length > 2 ** 20) this.#scratch = Buffer.alloc(1_024);
    return text;
  }

  #integerText(): string {
    const text = String(this.#integer());
    this.stringLength = text.length;
    return text;
  }

  /** How much is held of a string that takes `stored` bytes in the file, once that is there. */
  #held(length: number, stored: number): number {
    this.ensure(Math.min(stored, STRING_LIMIT));
    this.stringLength = length;
    if (length > STRING_LIMIT) this.cut += 1;
    return Math.min(length, STRING_LIMIT);
  }

  #integer(): number {
    const first = this.byte();
    const size = first === INT8 ? 1 : first === INT16 ? 2 : 4;
    this.ensure(size);
    const value = this.bytes.readIntLE(this.at, size);
    this.at += size;
    return value;
  }
}

/** How many characters the integer has in decimal. */
function digits(value: number): number {
  let count = value < 0 ? 2 : 1;
  for (let rest = Math.abs(value); rest >= 10; rest = Math.floor(rest / 10)) count += 1;
  return count;
}

export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
