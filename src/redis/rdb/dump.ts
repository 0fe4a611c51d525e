// What a DUMP says, read only as far as it takes to compare two of them: one content has many payloads. Two
// servers put the members of a hash table in different orders, versions pack small values differently, and
// the last ten bytes are the version and a checksum.
// https://github.com/redis/redis/blob/7.2/src/rdb.c (rdbLoadObject), src/listpack.c, src/ziplist.c

import { unpack } from './lzf.js';

/** The version of the format (two bytes) and a CRC64. */
const FOOTER = 10;

/** Do two DUMPs hold the same? What cannot be read here is the same only to the byte. */
export function isSameContent(one: Buffer, two: Buffer): boolean {
  const [a, b] = [bodyOf(one), bodyOf(two)];
  if (a.equals(b)) return true;
  const [left, right] = [contentOf(a), contentOf(b)];
  return left !== undefined && right !== undefined && equal(left, right);
}

/** The type of what a DUMP holds; undefined where it is none that is known here. */
export function typeOfDump(dump: Buffer): string | undefined {
  return TYPES[dump[0] as number]?.type;
}

const bodyOf = (dump: Buffer) => dump.subarray(0, Math.max(0, dump.length - FOOTER));

interface Content {
  type: string;
  /** In an order that depends on nothing but themselves. */
  members: string[];
}

function equal(one: Content, two: Content): boolean {
  return (
    one.type === two.type &&
    one.members.length === two.members.length &&
    one.members.every((member, index) => member === two.members[index])
  );
}

const form = (type: string, read: (bytes: Reader) => string[]) => ({ type, read });

/** By the first byte of a payload: RDB_TYPE_... in rdb.h. */
const TYPES: Readonly<Record<number, ReturnType<typeof form>>> = {
  0: form('string', (bytes) => [bytes.string().toString('latin1')]),
  1: form('list', (bytes) => bytes.strings()),
  2: form('set', (bytes) => bytes.strings()),
  4: form('hash', (bytes) => bytes.strings(2)),
  5: form('zset', (bytes) => scores(bytes)),
  10: form('list', (bytes) => ziplist(bytes.string())),
  11: form('set', (bytes) => intset(bytes.string())),
  12: form('zset', (bytes) => scored(ziplist(bytes.string()))),
  13: form('hash', (bytes) => ziplist(bytes.string())),
  14: form('list', (bytes) => nodes(bytes, false)),
  16: form('hash', (bytes) => listpack(bytes.string())),
  17: form('zset', (bytes) => scored(listpack(bytes.string()))),
  18: form('list', (bytes) => nodes(bytes, true)),
  20: form('set', (bytes) => listpack(bytes.string())),
  // A stream is written as its nodes are in memory: equal to the byte, or another one.
  15: form('stream', notRead),
  19: form('stream', notRead),
  21: form('stream', notRead),
};

function notRead(): never {
  throw new RangeError('not read');
}

function contentOf(body: Buffer): Content | undefined {
  const found = TYPES[body[0] as number];
  if (!found) return undefined;
  try {
    const { type } = found;
    const members = found.read(new Reader(body, 1));
    if (type === 'set') members.sort();
    return { type, members: type === 'hash' || type === 'zset' ? pairs(members) : members };
  } catch (error) {
    // It ends too early, or is none of the forms.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function pairs(members: readonly string[]): string[] {
  const found: string[] = [];
  for (let at = 0; at + 1 < members.length; at += 2)
    found.push(`${members[at]?.length}:${members[at]}${members[at + 1]}`);
  return found.sort();
}

/** Members and scores, which one encoding has as text and the other as doubles. */
const scored = (members: string[]) =>
  members.map((member, at) =>
    at % 2 === 1 ? String(Number(member.replace('inf', 'Infinity'))) : member,
  );

function scores(bytes: Reader): string[] {
  const found: string[] = [];
  for (let left = bytes.length(); left > 0; left -= 1)
    found.push(bytes.string().toString('latin1'), String(bytes.double()));
  return found;
}

/** A quicklist: each node a list of its own, or one element that is too large for one. */
function nodes(bytes: Reader, packed: boolean): string[] {
  const found: string[] = [];
  for (let left = bytes.length(); left > 0; left -= 1) {
    const isPlain = packed && bytes.length() === 1;
    const node = bytes.string();
    if (isPlain) found.push(node.toString('latin1'));
    else for (const element of packed ? listpack(node) : ziplist(node)) found.push(element);
  }
  return found;
}

function intset(bytes: Buffer): string[] {
  const size = bytes.readUInt32LE(0);
  const found: string[] = [];
  for (let at = 8; at < bytes.length; at += size)
    found.push(size === 8 ? String(bytes.readBigInt64LE(at)) : String(bytes.readIntLE(at, size)));
  return found;
}

function listpack(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let at = 6; bytes.readUInt8(at) !== 0xff; ) {
    const byte = bytes.readUInt8(at);
    const text = (from: number, length: number) => {
      found.push(part(bytes, from, length));
      return from - at + length;
    };
    const number = (value: number | bigint, length: number) => {
      found.push(String(value));
      return length;
    };
    let length: number;
    if (byte < 0x80) length = number(byte, 1);
    else if (byte < 0xc0) length = text(at + 1, byte & 0x3f);
    else if (byte < 0xe0) {
      const value = ((byte & 0x1f) << 8) | bytes.readUInt8(at + 1);
      length = number(value >= 4_096 ? value - 8_192 : value, 2);
    } else if (byte < 0xf0) length = text(at + 2, ((byte & 0xf) << 8) | bytes.readUInt8(at + 1));
    else if (byte === 0xf0) length = text(at + 5, bytes.readUInt32LE(at + 1));
    else if (byte === 0xf4) length = number(bytes.readBigInt64LE(at + 1), 9);
    else if (byte < 0xf4) length = number(bytes.readIntLE(at + 1, byte - 0xef), byte - 0xee);
    else throw new RangeError('no listpack');
    at += length + backLength(length);
  }
  return found;
}

/** How many bytes say, behind an element, how long it was. */
function backLength(length: number): number {
  if (length < 128) return 1;
  if (length < 16_384) return 2;
  if (length < 2_097_152) return 3;
  return length < 268_435_456 ? 4 : 5;
}

function ziplist(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let at = 10; bytes.readUInt8(at) !== 0xff; ) {
    at += bytes.readUInt8(at) === 0xfe ? 5 : 1;
    const byte = bytes.readUInt8(at);
    const [from, length] =
      byte < 0x40
        ? [at + 1, byte]
        : byte < 0x80
          ? [at + 2, ((byte & 0x3f) << 8) | bytes.readUInt8(at + 1)]
          : [at + 5, byte === 0x80 ? bytes.readUInt32BE(at + 1) : -1];
    if (length >= 0) {
      found.push(part(bytes, from, length));
      at = from + length;
      continue;
    }
    const size = ZIPLIST_NUMBERS[byte];
    if (size === undefined && (byte < 0xf1 || byte > 0xfd)) throw new RangeError('no ziplist');
    if (size === undefined) found.push(String((byte & 0xf) - 1));
    else if (size === 8) found.push(String(bytes.readBigInt64LE(at + 1)));
    else found.push(String(bytes.readIntLE(at + 1, size)));
    at += 1 + (size ?? 0);
  }
  return found;
}

const ZIPLIST_NUMBERS: Readonly<Record<number, number>> = {
  192: 2,
  208: 4,
  224: 8,
  240: 3,
  254: 1,
};

function part(bytes: Buffer, from: number, length: number): string {
  if (from + length > bytes.length) throw new RangeError('it ends too early');
  return bytes.toString('latin1', from, from + length);
}

/** Lengths and strings as an RDB has them. */
class Reader {
  constructor(
    private readonly bytes: Buffer,
    private at: number,
  ) {}

  strings(each = 1): string[] {
    const found: string[] = [];
    for (let left = this.length() * each; left > 0; left -= 1)
      found.push(this.string().toString('latin1'));
    return found;
  }

  length(): number {
    const first = this.#byte();
    const kind = first >> 6;
    if (kind === 0) return first & 0x3f;
    if (kind === 1) return ((first & 0x3f) << 8) | this.#byte();
    if (first === 0x80) return this.#take(4).readUInt32BE();
    if (first === 0x81) return Number(this.#take(8).readBigUInt64BE());
    throw new RangeError('no length');
  }

  string(): Buffer {
    const first = this.bytes.readUInt8(this.at);
    if (first >> 6 !== 3) return this.#take(this.length());
    this.at += 1;
    const coding = first & 0x3f;
    if (coding < 3) {
      const size = 1 << coding;
      return Buffer.from(String(this.#take(size).readIntLE(0, size)));
    }
    if (coding !== 3) throw new RangeError('no string');
    const [packed, whole] = [this.length(), this.length()];
    const text = Buffer.alloc(whole);
    const from = this.at;
    this.#take(packed);
    if (unpack(this.bytes, from, this.at, text, whole) !== whole) throw new RangeError('no LZF');
    return text;
  }

  double(): number {
    return this.#take(8).readDoubleLE();
  }

  #byte(): number {
    return this.#take(1)[0] as number;
  }

  #take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new RangeError('it ends too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}
