import type { Cursor } from './cursor.js';
import { SIZE } from './sizes.js';
import { form, type Value } from './value.js';

const INT = form('string', 'int');
const EMBSTR = form('string', 'embstr');
const RAW = form('string', 'raw');

/** OBJ_ENCODING_EMBSTR_SIZE_LIMIT: object and text in one allocation of 64 bytes. */
const EMBSTR_LIMIT = 44;

/** A string. Redis keeps it with less where it is an integer or short. */
export function readString(cursor: Cursor, value: Value): void {
  const integer = isInteger(cursor);
  const length = cursor.skipString();
  if (integer) {
    value.form = INT;
    value.bytes = SIZE.robj;
  } else if (length <= EMBSTR_LIMIT) {
    value.form = EMBSTR;
    value.bytes = value.sizes.allocated(SIZE.robj + 3 + length + 1);
  } else {
    value.form = RAW;
    value.bytes = SIZE.robj + value.sizes.sds(length);
  }
}

const LARGEST = '9223372036854775807';
const SMALLEST = '-9223372036854775808';
const [MINUS, ZERO, NINE] = [0x2d, 0x30, 0x39];

/** Whether the string at the cursor is an integer of 64 bits; those of more than 32 are written as text. */
function isInteger(cursor: Cursor): boolean {
  cursor.ensure(1);
  const length = cursor.bytes[cursor.at] as number;
  // From 0xc0 on are integers, and 0xc3, which is LZF and never that short.
  if (length > SMALLEST.length) return length >= 0xc0 && length <= 0xc2;
  cursor.ensure(1 + length);
  const from = cursor.at + 1;
  const negative = cursor.bytes[from] === MINUS;
  const first = negative ? from + 1 : from;
  const end = from + length;
  if (first === end) return false;
  for (let at = first; at < end; at += 1) {
    const byte = cursor.bytes[at] as number;
    if (byte < ZERO || byte > NINE) return false;
  }
  if (cursor.bytes[first] === ZERO) return length === 1;
  const limit = negative ? SMALLEST : LARGEST;
  if (length !== limit.length) return length < limit.length;
  return cursor.bytes.toString('latin1', from, end) <= limit;
}
