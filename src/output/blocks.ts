/** How a value stands: decides its colour, and is said in words too, for those who see none. */
export type Tone = 'ok' | 'warn' | 'critical' | 'unknown' | 'dim';

/** A value and how a person reads it: `value` goes into a pipe, `text` onto a terminal. */
export interface Figure {
  value: string | number | boolean | null;
  text: string;
  tone?: Tone;
}

export type Cell = Figure | string | number | boolean | null | undefined;

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
  /** Columns that a narrow terminal may leave out, in that order. A pipe gets all of them. */
  optional?: readonly string[];
}

/**
 * What a render function returns. A table is the payload; a note is a remark to a person, which
 * goes to stderr when stdout is a pipe.
 */
export type Block = { table: Table; title?: string } | { note: string; tone?: Tone };
