// Builds RDB files byte by byte, from the description of the format: rdb.c, listpack.c, ziplist.c, intset.c
// and zipmap.c of Redis 7.0 (https://github.com/redis/redis/tree/7.0/src), rdb.h of Redis 8 and Valkey 9.

type Part = number | string | Buffer | Part[];

/** Bytes, texts (latin1) and buffers, one after another. */
export function bytes(...parts: Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') return Buffer.from([part]);
      if (typeof part === 'string') return Buffer.from(part, 'latin1');
      return Array.isArray(part) ? bytes(...part) : part;
    }),
  );
}

export function u16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16LE(value);
  return buffer;
}

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

/** A time in ms, as EXPIRETIME_MS has it. */
export function i64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64LE(BigInt(value));
  return buffer;
}

export function double(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleLE(value);
  return buffer;
}

/** A length in its shortest form. */
export function length(value: number): Buffer {
  if (value < 64) return Buffer.from([value]);
  if (value < 16_384) return Buffer.from([0x40 | (value >> 8), value & 255]);
  const long = Buffer.alloc(value < 2 ** 32 ? 5 : 9);
  long[0] = long.length === 5 ? 0x80 : 0x81;
  if (long.length === 5) long.writeUInt32BE(value, 1);
  else long.writeBigUInt64BE(BigInt(value), 1);
  return long;
}

export function string(value: string | Buffer): Buffer {
  const data = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return bytes(length(data.length), data);
}

/** An LZF string of literal runs only: longer than what it packs, and valid. */
export function lzf(value: string | Buffer): Buffer {
  const data = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const runs: Buffer[] = [];
  for (let at = 0; at < data.length; at += 32) {
    const run = data.subarray(at, at + 32);
    runs.push(bytes(run.length - 1, run));
  }
  const packed = Buffer.concat(runs);
  return bytes(0xc3, length(packed.length), length(data.length), packed);
}

/** Numbers from 0 to 127 and texts up to 63 bytes. */
export function listpack(entries: (number | string)[]): Buffer {
  const body = entries.map((entry) =>
    typeof entry === 'number'
      ? bytes(entry, 1)
      : bytes(0x80 | entry.length, entry, entry.length + 1),
  );
  const size = 7 + body.reduce((sum, { length }) => sum + length, 0);
  return bytes(u32(size), u16(entries.length), body, 0xff);
}

/** Texts up to 63 bytes. */
export function ziplist(entries: string[]): Buffer {
  let before = 0;
  let size = 10;
  let tail = size;
  const body = entries.map((entry) => {
    const made = bytes(before, entry.length, entry);
    tail = size;
    before = made.length;
    size += made.length;
    return made;
  });
  return bytes(u32(size + 1), u32(tail), u16(entries.length), body, 0xff);
}

/** Ascending numbers of 16 bits. */
export function intset(values: number[]): Buffer {
  return bytes(u32(2), u32(values.length), values.map(u16));
}

/** Fields and values up to 253 bytes. */
export function zipmap(pairs: [string, string][]): Buffer {
  const body = pairs.map(([field, value]) => bytes(field.length, field, value.length, 0, value));
  return bytes(pairs.length, body, 0xff);
}

/** A stream's node: its master entry with one field, and entries one after another in the same ms. */
export function streamNode(field: string, values: string[]): Buffer {
  // Flag 2: the same fields as the master's. Then the distance of both numbers of the ID, value, and entries.
  const entries = values.flatMap((value, at) => [2, 0, at, value, 4]);
  return listpack([values.length, 0, 1, field, 0, ...entries]);
}

export function streamId(ms: number, sequence: number): Buffer {
  const buffer = Buffer.alloc(16);
  buffer.writeBigUInt64BE(BigInt(ms));
  buffer.writeBigUInt64BE(BigInt(sequence), 8);
  return buffer;
}

/** The number of a module's type: nine letters of six bits and ten bits of version. */
export function moduleId(name: string, version = 1): Buffer {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  let id = 0n;
  for (const letter of name) id = (id << 6n) | BigInt(letters.indexOf(letter));
  const buffer = Buffer.alloc(9, 0x81);
  buffer.writeBigUInt64BE((id << 10n) | BigInt(version), 1);
  return buffer;
}

export function key(type: number, name: string, ...value: Part[]): Buffer {
  return bytes(type, string(name), value);
}

export const aux = (name: string, value: string) => bytes(0xfa, string(name), string(value));

/** A file without a sum: eight zeros stand for `rdbchecksum no`. */
export function file(magic: string, ...records: Part[]): Buffer {
  return bytes(magic, records, 0xff, Buffer.alloc(8));
}

/** The bytes as a stream of pieces of a given size. */
export async function* pieces(data: Buffer, size = data.length): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}
