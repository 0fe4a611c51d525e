import type { Range } from './batches.js';
import type { DatabaseEnd, DatabasePosition, ScanProgress, Tally } from './types.js';
import type { Walk } from './walk.js';

/** A database of which the scan is done or under way. */
export interface Progress {
  end: DatabaseEnd;
  /** What an earlier run had. */
  earlier: Tally;
  order: DatabasePosition['order'];
  walk: Walk | undefined;
  /** Null before it has begun. */
  left: Range[] | null;
}

const NOTHING: Tally = { seen: 0, vanished: 0, unreadable: 0, moved: 0 };

/** Brings the counts of a database up to date. */
export function update({ walk, end, earlier }: Progress): void {
  if (!walk) return;
  for (const name of ['seen', 'vanished', 'unreadable', 'moved'] as const)
    end[name] = earlier[name] + walk.tally[name];
  end.done = walk.done();
}

/** What is told of a scan of all these databases, of which `progress` is under way. */
export function toProgress(
  progress: Progress,
  all: readonly Progress[],
  slowed: boolean,
): Omit<ScanProgress, 'rate'> {
  update(progress);
  const { db, keys_before, done } = progress.end;
  const keys = all.reduce((sum, { end }) => sum + end.seen, 0);
  return { keys, of: keys_before, done, db, slowed };
}

export function toPosition(progress: Progress): DatabasePosition {
  update(progress);
  const { end, order, walk, left } = progress;
  const { db, keys_before, may_repeat, seen, vanished, unreadable, moved } = end;
  const ranges = (walk?.left() ?? left)?.map(({ at, end: stop }) => ({
    at,
    end: stop === null ? null : stop.toString(16),
  }));
  const counts = { seen, vanished, unreadable, moved };
  return { db, order, keys_before, may_repeat, ranges: ranges ?? null, ...counts };
}

export function notBegun(db: number, order: Progress['order']): Progress {
  const end: DatabaseEnd = {
    db,
    keys_before: null,
    keys_after: null,
    ...NOTHING,
    done: 0,
    complete: false,
    short: false,
    may_repeat: false,
  };
  return { end, earlier: NOTHING, order, walk: undefined, left: null };
}

export function fromPosition(position: DatabasePosition): Progress {
  const { db, order, ranges, keys_before, may_repeat, ...earlier } = position;
  const progress = notBegun(db, order);
  if (ranges === null) return progress;
  const complete = ranges.length === 0;
  const done = Number(complete);
  Object.assign(progress.end, earlier, { keys_before, may_repeat, complete, done });
  const left = ranges.map(({ at, end }) => ({ at, end: end === null ? null : BigInt(`0x${end}`) }));
  return { ...progress, earlier, left };
}

/** Keys that have expired but are not deleted yet count in DBSIZE, on a replica until the primary deletes them. */
const EXPIRED_SHARE = 0.8;

export function isShort({ complete, keys_before, keys_after, ...tally }: DatabaseEnd): boolean {
  const there = Math.min(keys_before ?? 0, keys_after ?? 0);
  const { seen, vanished, unreadable, moved } = tally;
  return complete && seen + vanished + unreadable + moved < there * EXPIRED_SHARE;
}
