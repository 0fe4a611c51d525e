import { isUtf8 } from 'node:buffer';

/** Bytes, one latin1 character each, as text: UTF-8 where they are, latin1 as they stand otherwise. */
export function textOf(latin1: string): { text: string; binary: boolean } {
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes)
    ? { text: bytes.toString('utf8'), binary: false }
    : { text: latin1, binary: true };
}
