import type { Cursor } from './cursor.js';
import { dict, SIZE } from './sizes.js';
import { form, type ReadValue, type Value } from './value.js';

const LINKED_LIST = form('list', 'linkedlist');
const HASH_SET = form('set', 'hashtable');
const HASH = form('hash', 'hashtable');
const SKIP_LIST = form('zset', 'skiplist');

/** Reads the count at a value's beginning; `units` are as many as each element has. */
function begin(cursor: Cursor, value: Value, units: number): number {
  const count = cursor.length();
  value.elements = count;
  value.left = count * units;
  value.step = 1;
  return count;
}

/** Lists of Redis before 3.2: every element an object of its own. */
export function readLinkedList(cursor: Cursor, value: Value): void {
  if (value.step === 0) {
    const count = begin(cursor, value, 1);
    value.form = LINKED_LIST;
    value.bytes = SIZE.robj + SIZE.list + count * (SIZE.listNode + SIZE.robj);
    cursor.commit();
  }
  addStrings(cursor, value);
}

export function readHashSet(cursor: Cursor, value: Value): void {
  if (value.step === 0) {
    const count = begin(cursor, value, 1);
    value.form = HASH_SET;
    value.bytes = SIZE.robj + dict(count, 1);
    cursor.commit();
  }
  addStrings(cursor, value);
}

export function readHash(cursor: Cursor, value: Value): void {
  if (value.step === 0) beginHash(cursor, value);
  addStrings(cursor, value);
}

function beginHash(cursor: Cursor, value: Value): void {
  const count = begin(cursor, value, 2);
  value.form = HASH;
  value.bytes = SIZE.robj + dict(count, 2);
  cursor.commit();
}

function addStrings(cursor: Cursor, value: Value): void {
  while (value.left > 0) {
    value.bytes += value.sizes.sds(cursor.skipString());
    value.left -= 1;
    cursor.commit();
  }
}

/** `score` passes the score of the element whose name has been read. */
const readSkipList =
  (score: (cursor: Cursor) => void): ReadValue =>
  (cursor, value) => {
    if (value.step === 0) {
      const count = begin(cursor, value, 2);
      value.form = SKIP_LIST;
      value.bytes =
        SIZE.robj +
        SIZE.zset +
        SIZE.skiplist +
        SIZE.skiplistHeader +
        dict(count, 2) +
        Math.round(count * value.sizes.skiplistNode);
      cursor.commit();
    }
    while (value.left > 0) {
      if (value.left % 2 === 0) value.bytes += value.sizes.sds(cursor.skipString());
      else score(cursor);
      value.left -= 1;
      cursor.commit();
    }
  };

/** Scores as text, with three lengths for not-a-number and the infinities: up to Redis 3. */
export const readZset1 = readSkipList((cursor) => {
  const length = cursor.byte();
  if (length < 253) cursor.skip(length);
});

export const readZset2 = readSkipList((cursor) => cursor.skip(8));

/**
 * What the time of a field adds: ExpireMeta of Redis 7.4, in front of the name; in Valkey 8 bytes.
 * https://github.com/redis/redis/blob/7.4/src/ebuckets.h
 */
const FIELD_TTL = 16;

/**
 * Hashes with times of fields (Redis 7.4): for each its time, name and value. The final form has the
 * earliest time before the count.
 */
export const readHashWithTtl =
  (earliest: boolean): ReadValue =>
  (cursor, value) => {
    if (value.step === 0) {
      if (earliest) cursor.skip(8);
      beginHash(cursor, value);
    }
    while (value.left > 0) {
      const isName = value.left % 2 === 0;
      const timed = isName && cursor.length() > 0;
      value.bytes += value.sizes.sds(cursor.skipString() + (timed ? FIELD_TTL : 0));
      value.left -= 1;
      cursor.commit();
    }
  };

/** Hashes with times of fields of Valkey 9: for each its name, value and time, -1 for none. */
export function readValkeyHash(cursor: Cursor, value: Value): void {
  if (value.step === 0) beginHash(cursor, value);
  while (value.left > 0) {
    const isValue = value.left % 2 === 1;
    value.bytes += value.sizes.sds(cursor.skipString()) + (isValue ? 8 : 0);
    if (isValue) cursor.skip(8);
    value.left -= 1;
    cursor.commit();
  }
}

const QUICKLIST = form('list', 'quicklist');
const LISTPACK = form('list', 'listpack');
const PLAIN = 1;
const PACKED = 2;

/** Lists of Redis 3.2 to 6.2: nodes of ziplists; `count` says how many elements a node holds. */
export const readQuicklist =
  (count: (cursor: Cursor, length: number) => number | null): ReadValue =>
  (cursor, value) => {
    if (value.step === 0) beginQuicklist(cursor, value);
    while (value.left > 0) addNode(cursor, value, count);
  };

function beginQuicklist(cursor: Cursor, value: Value): void {
  const nodes = begin(cursor, value, 1);
  value.elements = 0;
  value.form = QUICKLIST;
  value.bytes = SIZE.robj + SIZE.quicklist + nodes * SIZE.quicklistNode;
  cursor.commit();
}

function addNode(
  cursor: Cursor,
  value: Value,
  count: (cursor: Cursor, length: number) => number | null,
): void {
  const length = cursor.skipBlob();
  const elements = count(cursor, length);
  value.elements = value.elements === null || elements === null ? null : value.elements + elements;
  value.bytes += value.sizes.allocated(length);
  value.left -= 1;
  cursor.commit();
}

/**
 * Lists of Redis 7: nodes of listpacks, or of one large element. From 7.2 (RDB 11) on one node is no
 * quicklist in memory but the listpack alone.
 */
export const readQuicklist2 =
  (version: number, count: (cursor: Cursor, length: number) => number | null): ReadValue =>
  (cursor, value) => {
    if (value.step === 0) beginQuicklist(cursor, value);
    while (value.left > 0) {
      const container = cursor.length();
      if (container === PACKED) {
        if (version >= 11 && value.left === 1 && value.elements === 0) {
          value.form = LISTPACK;
          value.bytes = SIZE.robj;
        }
        addNode(cursor, value, count);
      } else if (container === PLAIN) {
        value.bytes += value.sizes.allocated(cursor.skipString());
        if (value.elements !== null) value.elements += 1;
        value.left -= 1;
        cursor.commit();
      } else cursor.corrupt('a list node, plain (1) or packed (2)', String(container));
    }
  };
