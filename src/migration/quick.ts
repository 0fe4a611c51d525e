// A task on one line as applications write it, read without an object of it: half of the time of a plan.
// Whatever is out of the ordinary is left to JSON.parse: the answer is then undefined, never a guess.
// It is read where it lies in a text of many lines, which costs less than a text of its own for each.

/** What keeps a text from being a plain one. A line that ends with CR and LF does not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON has none of them in its strings
const NOT_PLAIN = /[\\\u0000-\u0009\u000b\u000c\u000e-\u001f]|\r(?!\n)/;

/** The ASCII of some bytes if there is no escape and no control character in it but ends of lines. */
export function plainText(ascii: Buffer): string | undefined {
  const text = ascii.toString('latin1');
  return NOT_PLAIN.test(text) ? undefined : text;
}

/** What a plan needs of an entry. */
export interface Quick {
  user: string;
  id: string;
  /** As it is written; undefined where there is none. */
  updatedAt: string | undefined;
}

/** Names of members that are looked for, and of those with which an entry is none of the plain ones. */
const WANTED = new Map<string, 'user' | 'id' | 'status' | 'updatedAt' | 'other'>([
  ['user', 'user'],
  ['user_id', 'user'],
  ['userId', 'user'],
  ['task', 'id'],
  ['task_id', 'id'],
  ['taskId', 'id'],
  ['id', 'id'],
  ['status', 'status'],
  ['state', 'status'],
  ['updatedAt', 'updatedAt'],
  ['updated_at', 'updatedAt'],
  ...['value', 'expiresAt', 'expires_at', 'ttl'].map((name) => [name, 'other'] as const),
]);
const LONGEST_NAME = 10;
/** By length and first byte: most names need no text made of them. */
const BEGINNINGS = new Set(
  [...WANTED.keys()].map((name) => name.length * 256 + name.charCodeAt(0)),
);

/**
 * What stands from `from` to `end` of a plain text, where a line ends: an object, valid JSON, with each of
 * its fields once.
 */
export function quickLook(text: string, from: number, end: number): Quick | undefined {
  if (text.charCodeAt(from) !== 0x7b) return undefined;
  let user: string | undefined;
  let id: string | undefined;
  let updatedAt: string | undefined;
  let hasStatus = false;
  let at = space(text, from + 1, end);
  for (;;) {
    // A name.
    if (text.charCodeAt(at) !== 0x22) return undefined;
    const nameEnd = plainString(text, at + 1, end);
    if (nameEnd < 0) return undefined;
    const length = nameEnd - at - 1;
    const known =
      length <= LONGEST_NAME && BEGINNINGS.has(length * 256 + text.charCodeAt(at + 1))
        ? WANTED.get(text.slice(at + 1, nameEnd))
        : undefined;
    at = space(text, nameEnd + 1, end);
    if (text.charCodeAt(at) !== 0x3a) return undefined;
    at = space(text, at + 1, end);
    // Its value.
    if (known === undefined) at = skip(text, at, end, 0);
    else {
      if (known === 'other' || text.charCodeAt(at) !== 0x22) return undefined;
      const valueEnd = plainString(text, at + 1, end);
      if (valueEnd < 0 || valueEnd === at + 1) return undefined;
      if (known === 'status') {
        if (hasStatus) return undefined;
        hasStatus = true;
      } else {
        const value = text.slice(at + 1, valueEnd);
        if (known === 'user') {
          if (user !== undefined) return undefined;
          user = value;
        } else if (known === 'id') {
          if (id !== undefined) return undefined;
          id = value;
        } else {
          if (updatedAt !== undefined) return undefined;
          updatedAt = value;
        }
      }
      at = valueEnd + 1;
    }
    if (at < 0) return undefined;
    at = space(text, at, end);
    if (text.charCodeAt(at) === 0x2c) at = space(text, at + 1, end);
    else break;
  }
  if (text.charCodeAt(at) !== 0x7d || space(text, at + 1, end) !== end) return undefined;
  return user !== undefined && id !== undefined && hasStatus ? { user, id, updatedAt } : undefined;
}

function space(text: string, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = text.charCodeAt(at);
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) break;
    at += 1;
  }
  return at;
}

/** The place of the quote that ends a string; -1 when there is none. Short ones are read through at once. */
function plainString(text: string, from: number, end: number): number {
  const near = Math.min(end, from + 24);
  for (let at = from; at < near; at += 1) if (text.charCodeAt(at) === 0x22) return at;
  const close = text.indexOf('"', near);
  return close < end ? close : -1;
}

/** What is nested deeper is left to JSON.parse. */
const DEEPEST = 20;

/** Behind a value; -1 when it is not valid, or not plain. */
function skip(text: string, from: number, end: number, depth: number): number {
  const first = text.charCodeAt(from);
  if (first === 0x22) {
    const close = plainString(text, from + 1, end);
    return close < 0 ? -1 : close + 1;
  }
  if (first === 0x7b || first === 0x5b) return skipAll(text, from, end, depth);
  if (first === 0x74) return word(text, from, 'true');
  if (first === 0x66) return word(text, from, 'false');
  if (first === 0x6e) return word(text, from, 'null');
  return number(text, from, end);
}

function skipAll(text: string, from: number, end: number, depth: number): number {
  if (depth === DEEPEST) return -1;
  const isObject = text.charCodeAt(from) === 0x7b;
  const close = isObject ? 0x7d : 0x5d;
  let at = space(text, from + 1, end);
  if (text.charCodeAt(at) === close) return at + 1;
  for (;;) {
    if (isObject) {
      if (text.charCodeAt(at) !== 0x22) return -1;
      const nameEnd = plainString(text, at + 1, end);
      if (nameEnd < 0) return -1;
      at = space(text, nameEnd + 1, end);
      if (text.charCodeAt(at) !== 0x3a) return -1;
      at = space(text, at + 1, end);
    }
    at = skip(text, at, end, depth + 1);
    if (at < 0) return -1;
    at = space(text, at, end);
    if (text.charCodeAt(at) === close) return at + 1;
    if (text.charCodeAt(at) !== 0x2c) return -1;
    at = space(text, at + 1, end);
  }
}

function word(text: string, from: number, letters: string): number {
  for (let at = 0; at < letters.length; at += 1)
    if (text.charCodeAt(from + at) !== letters.charCodeAt(at)) return -1;
  return from + letters.length;
}

/** RFC 8259: no leading zero, digits on both sides of a point. */
function number(text: string, from: number, end: number): number {
  let at = text.charCodeAt(from) === 0x2d ? from + 1 : from;
  if (text.charCodeAt(at) === 0x30) at += 1;
  else {
    const next = digits(text, at, end);
    if (next === at) return -1;
    at = next;
  }
  if (text.charCodeAt(at) === 0x2e) {
    const next = digits(text, at + 1, end);
    if (next === at + 1) return -1;
    at = next;
  }
  if (text.charCodeAt(at) === 0x65 || text.charCodeAt(at) === 0x45) {
    const signed =
      text.charCodeAt(at + 1) === 0x2b || text.charCodeAt(at + 1) === 0x2d ? at + 2 : at + 1;
    const next = digits(text, signed, end);
    if (next === signed) return -1;
    at = next;
  }
  return at;
}

function digits(text: string, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = text.charCodeAt(at);
    if (byte < 0x30 || byte > 0x39) break;
    at += 1;
  }
  return at;
}
