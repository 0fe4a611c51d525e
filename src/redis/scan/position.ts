/**
 * How SCAN's cursors are ordered. `dict`: one hash table, whose buckets are visited in the order of their
 * reversed bits. `slots`: a cluster of Redis 7.4, Valkey 8 and later, with a table for each slot and the
 * slot in the low 14 bits of the cursor. `opaque`: not known; only one cursor after another is right then.
 */
export type CursorOrder = 'dict' | 'slots' | 'opaque';

/** Behind the last position: all are below it. */
export const WHOLE = 1n << 64n;

const SLOT_BITS = 14n;
const WITHIN_SLOT = 64n - SLOT_BITS;

/**
 * Where a cursor stands, as a number that only grows while a scan goes on: everything whose hash, its bits
 * reversed, lies below it has been visited. That holds while the table grows or shrinks:
 * https://github.com/redis/redis/blob/7.0/src/dict.c (dictScan) visits the bucket `cursor & mask` and then
 * adds one to the reversed bits above the mask. A cursor has the bits of the table that it comes from. A
 * table that has grown since is gone on with at exactly that position; one that has shrunk at the start of
 * the larger bucket in which it lies, so that what is below it in this one bucket is shown again. While
 * Redis rehashes, a call visits the bucket of the smaller table and all that belong to it of the larger one.
 * Slots: https://github.com/redis/redis/blob/8.0/src/kvstore.c (kvstoreScan).
 */
export function positionOf(cursor: string, order: CursorOrder): bigint {
  const value = BigInt(cursor);
  if (order !== 'slots') return reversed(value);
  const slot = value & ((1n << SLOT_BITS) - 1n);
  return (slot << WITHIN_SLOT) | (reversed(value >> SLOT_BITS) >> SLOT_BITS);
}

/** The cursor that goes on at a position; '0' at the end as at the start. */
export function cursorAt(position: bigint, order: CursorOrder): string {
  if (position >= WHOLE) return '0';
  if (order !== 'slots') return String(reversed(position));
  const within = position & ((1n << WITHIN_SLOT) - 1n);
  return String((reversed(within << SLOT_BITS) << SLOT_BITS) | (position >> WITHIN_SLOT));
}

/**
 * Whether a position has more zeros at its end than the one before it (order `dict`). A call ends at a multiple
 * of its table's bucket; a table with smaller buckets than where the call began has shown nothing
 * again. So only a coarser end can be that of a table that has shrunk.
 */
export function isCoarser(position: bigint, before: bigint): boolean {
  // The lowest bit that is set, of each.
  return before !== 0n && (position & -position) > (before & -before);
}

/** Where a slot begins in the order `slots`. */
export function slotStart(slot: number): bigint {
  return BigInt(slot) << WITHIN_SLOT;
}

/** Cuts the positions from..end into equal parts; `parts` is a power of two. */
export function split(from: bigint, end: bigint, parts: number): [bigint, bigint][] {
  const size = (end - from) / BigInt(parts);
  return Array.from({ length: parts }, (_, index) => [
    from + size * BigInt(index),
    index === parts - 1 ? end : from + size * BigInt(index + 1),
  ]);
}

/** The 64 bits in reverse. */
function reversed(value: bigint): bigint {
  const high = Number(value >> 32n);
  const low = Number(value & 0xffff_ffffn);
  return (BigInt(reversed32(low)) << 32n) | BigInt(reversed32(high));
}

function reversed32(value: number): number {
  let bits = value;
  bits = ((bits >>> 1) & 0x5555_5555) | ((bits & 0x5555_5555) << 1);
  bits = ((bits >>> 2) & 0x3333_3333) | ((bits & 0x3333_3333) << 2);
  bits = ((bits >>> 4) & 0x0f0f_0f0f) | ((bits & 0x0f0f_0f0f) << 4);
  bits = ((bits >>> 8) & 0x00ff_00ff) | ((bits & 0x00ff_00ff) << 8);
  return ((bits >>> 16) | (bits << 16)) >>> 0;
}
