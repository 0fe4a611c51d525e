import type { Cursor } from './cursor.js';
import { SIZE } from './sizes.js';
import { form, type Value } from './value.js';

const MODULE = form('module', 'raw');

/** Each part of a module's value says what it is, so that it can be passed without the module. */
const Opcode = { end: 0, signed: 1, unsigned: 2, float: 3, double: 4, string: 5 } as const;

/** A value of a module; its bytes are those of its parts in the file, which is all that can be known. */
export function readModule(cursor: Cursor, value: Value): void {
  if (value.step === 0) {
    value.form = MODULE;
    value.typeName = moduleName(cursor);
    value.bytes = SIZE.robj;
    value.step = 1;
    cursor.commit();
  }
  skipParts(cursor, value);
}

/** Passes parts up to their end. */
export function skipParts(cursor: Cursor, value: Value): void {
  for (let more = true; more; cursor.commit()) {
    more = skipPart(cursor);
    value.bytes += cursor.at - cursor.mark;
  }
}

function skipPart(cursor: Cursor): boolean {
  const opcode = cursor.length();
  switch (opcode) {
    case Opcode.end:
      return false;
    case Opcode.signed:
    case Opcode.unsigned:
      cursor.length();
      return true;
    case Opcode.float:
      cursor.skip(4);
      return true;
    case Opcode.double:
      cursor.skip(8);
      return true;
    case Opcode.string:
      cursor.skipString();
      return true;
    default:
      return cursor.corrupt("a part of a module's value (0 to 5)", String(opcode));
  }
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/**
 * The name in a module's 64-bit number: nine letters of six bits, then ten bits of version. See
 * moduleTypeEncodeId in https://github.com/redis/redis/blob/7.0/src/module.c
 */
export function moduleName(cursor: Cursor): string {
  const first = cursor.byte();
  if (first !== 0x81) cursor.corrupt("a module's number of 64 bits", String(first));
  cursor.ensure(8);
  let rest = cursor.bytes.readBigUInt64BE(cursor.at) >> 10n;
  cursor.skip(8);
  let name = '';
  for (let left = 9; left > 0; left -= 1) {
    name = LETTERS[Number(rest & 63n)] + name;
    rest >>= 6n;
  }
  return name;
}
