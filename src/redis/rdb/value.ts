import type { Cursor } from './cursor.js';
import type { Sizes } from './sizes.js';

/** A type and how it is encoded, in the words of OBJECT ENCODING. */
export interface Form {
  readonly index: number;
  readonly type: string;
  readonly encoding: string;
}

/** Every form that a key can have, in the order of their index. */
export const FORMS: Form[] = [];

export function form(type: string, encoding: string): Form {
  const made = { index: FORMS.length, type, encoding };
  FORMS.push(made);
  return made;
}

/** A value while it is read, and how far that is: what is left and which step is next. */
export class Value {
  constructor(readonly sizes: Sizes) {}

  form: Form | undefined;
  /** Only a module's, whose form does not say it. */
  typeName: string | undefined;
  /** Memory so far, without the key. */
  bytes = 0;
  elements: number | null = null;
  step = 0;
  left = 0;

  begin(): void {
    this.form = undefined;
    this.typeName = undefined;
    this.bytes = 0;
    this.elements = null;
    this.step = 0;
    this.left = 0;
  }
}

/**
 * Reads a value in units, each committed at the cursor. SHORT may end it between two of them; then it
 * is called again with the same value and goes on from its step. It has been read when this returns.
 */
export type ReadValue = (cursor: Cursor, value: Value) => void;
