import type { Read } from '../entry.js';

/** Where state is moved from. */
export interface Source {
  /** For people and for the plan; never a secret. */
  description: string;
  /** What a place counts: `line 17`. */
  unit: 'line' | 'entry' | 'row' | 'key';
  /** Its entries, some at a time; memory does not grow with their number. `largest`: bytes of a value. */
  read(signal: AbortSignal): AsyncIterable<Read[]>;
  /** A hash over all that is read, known when it has been read. */
  fingerprint?(): string;
  /** The same by reading it only for that: equal to an earlier one means that nothing has changed. */
  sum?(signal: AbortSignal): Promise<string>;
  /** Whether it can be read a second time; stdin cannot. */
  again: boolean;
}
