import type { Cursor } from './cursor.js';
import type { Magic } from './types.js';

/** Versions that are read; Valkey counts from 80 since its formats parted from Redis's. */
const VERSIONS: Record<Magic, { from: number; to: number }> = {
  REDIS: { from: 6, to: 12 },
  VALKEY: { from: 80, to: 80 },
};
const MAGIC_LENGTH = 9;

/** Reads what an RDB file begins with. Throws CorruptError where it is none, or one of an unknown version. */
export function readHeader(cursor: Cursor): { magic: Magic; version: number } {
  cursor.ensure(MAGIC_LENGTH);
  const text = cursor.bytes.toString('latin1', cursor.at, cursor.at + MAGIC_LENGTH);
  const [, magic, digits] = /^(REDIS|VALKEY)(\d{3,4})$/.exec(text) ?? [];
  if (magic === undefined)
    cursor.corrupt('REDIS or VALKEY and a version: the beginning of an RDB file', described(text));
  const { from, to } = VERSIONS[magic as Magic];
  const version = Number(digits);
  if (version < from || version > to)
    cursor.corrupt(
      from === to
        ? `version ${from} after ${magic}`
        : `a version from ${from} to ${to} after ${magic}`,
      `version ${version}`,
      cursor.offset + magic.length,
    );
  cursor.skip(MAGIC_LENGTH);
  return { magic: magic as Magic, version };
}

/** What people take for an RDB file, by what it begins with. */
const OTHERS = [
  ['\x1f\x8b', 'gzip: unpack it first'],
  ['\x28\xb5\x2f\xfd', 'zstd: unpack it first'],
  ['BZh', 'bzip2: unpack it first'],
  ['\xfd7zXZ', 'xz: unpack it first'],
  ['*', 'commands: an append-only file'],
] as const;

function described(text: string): string {
  const [, what] = OTHERS.find(([magic]) => text.startsWith(magic)) ?? [];
  return what ?? JSON.stringify(text);
}
