import { RecentKeys } from './recent.js';

/** Part of a table, gone through by one cursor. */
export interface Range {
  /** Everything before this cursor is with the sink. */
  at: string;
  /** Where the next range begins; null: only SCAN's own end is the end. */
  end: bigint | null;
}

/** Keys of one SCAN, on their way to the sink. */
export interface Batch {
  keys: string[];
  /** The cursor behind them. */
  next: string;
  /** They are the last of their range. */
  last: boolean;
  range: ActiveRange;
}

export interface ActiveRange extends Range {
  recent: RecentKeys;
  count: number;
  finished: boolean;
  /** The last batch whose turn has come and which is not with the sink. */
  under: Batch | undefined;
  /** A batch without keys: nothing is asked of it, so it would overtake the one before it. */
  held: Batch | undefined;
}

export function activate({ at, end }: Range, count: number): ActiveRange {
  return {
    at,
    end,
    recent: new RecentKeys(),
    count,
    finished: false,
    under: undefined,
    held: undefined,
  };
}
