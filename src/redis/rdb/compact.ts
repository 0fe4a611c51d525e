// Values in one piece of memory. Their bytes are the string's, their number of elements stands in the
// first few; where they say something else about the length than the string does, the file is corrupt.
// https://github.com/redis/redis/blob/7.0/src/{listpack,ziplist,intset}.c, zipmap.c

import type { Cursor } from './cursor.js';
import { SIZE } from './sizes.js';
import { form, type ReadValue } from './value.js';

/** How many elements the compact value has whose beginning is in the cursor's `head`; null where it does not say. */
export type Count = (cursor: Cursor, length: number) => number | null;

export const listpackCount: Count = (cursor, length) => {
  demandLength(cursor, 'a listpack', length, u32(cursor, 0), 7);
  return known(u16(cursor, 4));
};

export const ziplistCount: Count = (cursor, length) => {
  demandLength(cursor, 'a ziplist', length, u32(cursor, 0), 11);
  return known(u16(cursor, 8));
};

const intsetCount: Count = (cursor, length) => {
  const count = u32(cursor, 4);
  demandLength(cursor, 'an intset', length, 8 + u32(cursor, 0) * count, 8);
  return count;
};

const zipmapCount: Count = (cursor) => {
  const count = cursor.head[cursor.headAt] as number;
  return count < 254 ? count : null;
};

/** `parts` is how many entries make an element: a hash's two are a field and its value. */
const compact = (type: string, encoding: string, count: Count, parts = 1): ReadValue => {
  const made = form(type, encoding);
  return (cursor, value) => {
    const length = cursor.skipBlob();
    const entries = count(cursor, length);
    value.form = made;
    value.elements = entries === null ? null : Math.floor(entries / parts);
    value.bytes = SIZE.robj + value.sizes.allocated(length);
  };
};

export const readListZiplist = compact('list', 'ziplist', ziplistCount);
export const readIntset = compact('set', 'intset', intsetCount);
export const readSetListpack = compact('set', 'listpack', listpackCount);
export const readZsetZiplist = compact('zset', 'ziplist', ziplistCount, 2);
export const readZsetListpack = compact('zset', 'listpack', listpackCount, 2);
export const readHashZipmap = compact('hash', 'zipmap', zipmapCount);
export const readHashZiplist = compact('hash', 'ziplist', ziplistCount, 2);
export const readHashListpack = compact('hash', 'listpack', listpackCount, 2);

/** Field, value and time (Redis 7.4); the final form has the earliest time before it. */
const readListpackEx = compact('hash', 'listpackex', listpackCount, 3);
export const readHashListpackEx =
  (earliest: boolean): ReadValue =>
  (cursor, value) => {
    if (earliest) cursor.skip(8);
    readListpackEx(cursor, value);
  };

function demandLength(
  cursor: Cursor,
  what: string,
  length: number,
  said: number,
  least: number,
): void {
  if (length >= least && said === length) return;
  const found = length < least ? 'fewer than it can have' : `one of ${said}`;
  cursor.corrupt(`${what} of ${length} bytes`, found, cursor.headOffset);
}

/** 65,535 entries or more are not counted in the header. */
const known = (count: number): number | null => (count < 0xffff ? count : null);

function u16({ head, headAt }: Cursor, at: number): number {
  return (head[headAt + at] as number) | ((head[headAt + at + 1] as number) << 8);
}

function u32(cursor: Cursor, at: number): number {
  return u16(cursor, at) + u16(cursor, at + 2) * 2 ** 16;
}
