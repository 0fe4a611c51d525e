// What a part of a key is: a name that tells groups apart, or an id that does not. Works on character
// codes, because it is asked for every part of every key.

/** Stand for `{id}` and `{other}` in labels; keys are latin1, so that no key holds them. */
export const ID = '\u2026';
export const OTHER = '\u2027';

/** Separators in the order of preference: a key with a colon is parted by colons only. */
const SEPARATORS = [':', '/', '|', '.'] as const;
/** Go before labels that another separator than the colon sets off, which keeps `a/b` and `a:b` apart. */
const MARKS: Record<string, string> = { '/': '\u2044', '|': '\u2223', '.': '\u2024' };
const UNMARKED = new Map(Object.entries(MARKS).map(([separator, mark]) => [mark, separator]));

/** The separator of a key, and the mark of its parts; a key without one is a single part. */
export function separatorOf(key: string): { separator: string; mark: string } {
  for (const separator of SEPARATORS) {
    // The dots of an e-mail address part nothing.
    if (key.includes(separator) && !(separator === '.' && key.includes('@'))) {
      return { separator, mark: MARKS[separator] ?? '' };
    }
  }
  return { separator: ':', mark: '' };
}

/** A label as a person reads it: what sets it off, and its text (latin1, `{id}` for ids). */
export function readLabel(label: string): { separator: string; text: string } {
  const separator = UNMARKED.get(label.charAt(0));
  const name = separator === undefined ? label : label.slice(1);
  return {
    separator: separator ?? ':',
    text: name.replace(ID, '{id}').replace(OTHER, '{other}'),
  };
}

/** The mark that a label begins with, or nothing. */
export function markOf(label: string): string {
  if (!(label.charCodeAt(0) > 255)) return '';
  const first = label.charAt(0);
  return UNMARKED.has(first) ? first : '';
}

const DIGIT = 1;
const HEX = 2;
const LETTER = 4;
const JOINER = 8;
const AT = 16;
const CONTROL = 32;
const REST = 64;

/** The kind of each character code. */
const KIND = Uint8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (code < 32 || code === 127) return CONTROL;
  if (/\d/.test(character)) return DIGIT;
  if (/[a-f]/i.test(character)) return HEX;
  if (/[a-z]/i.test(character) || code > 127) return LETTER;
  if (/[-_.#=]/.test(character)) return JOINER;
  return character === '@' ? AT : REST;
});

const DASH = 45;
const OPEN = 123;
export const CLOSE = 125;

/** Whether a part that begins or ends so is more likely an id than a name: a guess that costs nothing. */
export function looksLikeId(first: number, last: number): boolean {
  return KIND[first & 255] === DIGIT || KIND[last & 255] === DIGIT;
}

/**
 * Where in `key` from `start` to `end` an id begins: at `start` when all of it is one; -1 when there
 * is none. What stands before an id names it: `celery-task-meta-{id}`, `user_{id}`. Braces (hash tags)
 * are not part of it.
 */
export function idStart(key: string, start: number, end: number): number {
  const from = key.charCodeAt(start) === OPEN ? start + 1 : start;
  const to = end - 1 > from && key.charCodeAt(end - 1) === CLOSE ? end - 1 : end;
  const length = to - from;
  let first = -1;
  let letters = 0;
  let nonHex = false;
  /** How often a letter stands next to a digit: hashes, ULIDs and nanoids change all the time. */
  let switches = 0;
  let before = 0;
  for (let at = from; at < to; at += 1) {
    const kind = KIND[key.charCodeAt(at) & 255] as number;
    if (kind === DIGIT) {
      if (first < 0) first = at;
      if (before & (HEX | LETTER)) switches += 1;
    } else if (kind & (HEX | LETTER)) {
      letters += 1;
      if (kind === LETTER) nonHex = true;
      if (before === DIGIT) switches += 1;
    } else {
      if (kind === CONTROL) return start;
      if (kind === AT && isAddress(key, from, at, to)) return from;
      nonHex = true;
    }
    before = kind;
    // Enough is seen; most ids end here.
    if (switches === 3 && length >= 8) return tokenStart(key, from, first, to);
  }
  if (first < 0) return -1;
  if (letters === 0 || isDate(key, from)) return from;
  if (!nonHex && length >= 8) return from;
  return isUuid(key, from, to) ? tokenStart(key, from, first, to) : named(key, first, to);
}

/** Where a random token begins that has its first digit at `first`: after the words before it. */
function tokenStart(key: string, from: number, first: number, to: number): number {
  if (isUuid(key, from, to)) {
    const uuid = to - 36;
    return uuid > from && kindAt(key, uuid - 1) === JOINER ? uuid : from;
  }
  const before = lastJoiner(key, from, first);
  return before - from >= 4 && isWords(key, from, before) ? before : from;
}

/** `user_4711`, `order-2024-01-01`, `p123`: a name and at least three digits. `v2` is a name. */
function named(key: string, first: number, to: number): number {
  let digits = 0;
  let run = 0;
  let longest = 0;
  let pure = true;
  for (let at = first; at < to; at += 1) {
    const kind = kindAt(key, at);
    run = kind === DIGIT ? run + 1 : 0;
    if (kind === DIGIT) digits += 1;
    else if (kind !== JOINER) pure = false;
    if (run > longest) longest = run;
  }
  // Digits and joiners to the end, or a number so long (a time, an order) that letters do not matter.
  return (pure ? digits >= 3 : longest >= 6) ? first : -1;
}

/** Just after the last joiner before `end`; `from` when there is none. */
function lastJoiner(key: string, from: number, end: number): number {
  for (let at = end; at > from; at -= 1) if (kindAt(key, at - 1) === JOINER) return at;
  return from;
}

/** Letters of one case, and joiners: `celery-task-meta-`, and not the beginning of a nanoid. */
function isWords(key: string, from: number, to: number): boolean {
  let upper = false;
  let lower = false;
  for (let at = from; at < to; at += 1) {
    const code = key.charCodeAt(at);
    if (code >= 65 && code <= 90) upper = true;
    else if (code >= 97 && code <= 122) lower = true;
    else if (kindAt(key, at) !== JOINER) return false;
  }
  return upper !== lower;
}

/** Whether it ends with 8-4-4-4-12 characters, as UUIDs are written. */
function isUuid(key: string, from: number, to: number): boolean {
  const at = to - 36;
  return (
    at >= from &&
    key.charCodeAt(at + 8) === DASH &&
    key.charCodeAt(at + 13) === DASH &&
    key.charCodeAt(at + 18) === DASH &&
    key.charCodeAt(at + 23) === DASH
  );
}

/** `2024-01-01...` */
function isDate(key: string, from: number): boolean {
  for (const place of [0, 1, 2, 3, 5, 6]) if (kindAt(key, from + place) !== DIGIT) return false;
  return kindAt(key, from + 4) === JOINER;
}

function isAddress(key: string, from: number, at: number, to: number): boolean {
  const dot = key.indexOf('.', at);
  return at > from && dot > at + 1 && dot < to - 1;
}

function kindAt(key: string, at: number): number {
  return KIND[key.charCodeAt(at) & 255] as number;
}
