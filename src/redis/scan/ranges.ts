import { CacheOpsError } from '../../errors.js';
import type { Range } from './batches.js';
import { type CursorOrder, cursorAt, slotStart, split, WHOLE } from './position.js';
import type { ScanOptions } from './types.js';

const MOST_CURSORS = 64;
/** SCANs that are worth a cursor of their own. */
const FEWEST_CALLS = 4;

/** What a table is cut by. */
export interface Table {
  order: CursorOrder;
  /** DBSIZE; null where it is not known. */
  keys: number | null;
  /** Of the node, where the order is by slots. */
  slots: readonly number[] | undefined;
  /** Round trip in ms. */
  roundTrip: number;
  /** COUNT of a SCAN. */
  count: number;
}

/**
 * The ranges that are gone through side by side. One for each cursor: the longer the round trip, the more
 * of them keep the server at work. A part of a table of very few keys is all of it, or nothing.
 */
export function cutRanges(table: Table, { part, cursors = 'auto' }: ScanOptions): Range[] {
  const { order, keys, slots } = table;
  if (part && !isPowerOfTwo(part.of))
    throw new CacheOpsError('usage', `a sample is 1/2, 1/4, 1/8...: ${part.of} is no power of two`);
  const cannotCut = order === 'opaque' || keys === null || (order === 'slots' && !slots?.length);
  if (cannotCut) {
    if (!part) return [{ at: '0', end: null }];
    throw new CacheOpsError(
      'refused',
      'a sample needs to know the order of the cursors of SCAN, and this server does not tell',
      'it takes INFO or HELLO, DBSIZE, and CLUSTER NODES on a cluster',
    );
  }
  const of = part?.of ?? 1;
  if (part && keys < 16 * of) return part.part === 0 ? [{ at: '0', end: null }] : [];
  const wanted = cursors === 'auto' ? cursorsFor(table.roundTrip) : cursors;
  const worth = keys / of / (FEWEST_CALLS * table.count);
  const parts = Math.max(1, Math.min(floorPowerOfTwo(wanted), floorPowerOfTwo(worth)));
  if (!part && parts === 1) return [{ at: '0', end: null }];
  const cuts = order === 'slots' && slots ? bySlots(slots) : (at: bigint) => at;
  const [from, end] = split(0n, WHOLE, of)[part?.part ?? 0] as [bigint, bigint];
  return split(from, end, parts).map(([start, stop]) => ({
    at: cursorAt(cuts(start), order),
    end: cuts(stop),
  }));
}

/** 4 keep a server on the same machine at work, 16 one at 1 ms, 64 one at 20 ms (bench/memory/live.mjs). */
function cursorsFor(roundTrip: number): number {
  return Math.min(MOST_CURSORS, 2 ** Math.ceil(Math.log2(Math.max(4, 10 * roundTrip))));
}

/** A share of all positions becomes the same share of the slots that the node has. */
function bySlots(slots: readonly number[]): (at: bigint) => bigint {
  return (at) => {
    if (at <= 0n || at >= WHOLE) return at;
    const index = Number((at * BigInt(slots.length)) >> 64n);
    return slotStart(slots[index] as number);
  };
}

const floorPowerOfTwo = (value: number) => 2 ** Math.floor(Math.log2(Math.max(value, 1)));
const isPowerOfTwo = (value: number) => Number.isInteger(Math.log2(value));
