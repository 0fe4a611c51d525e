/**
 * What an id may be: letters and digits of any script, and `_ . @ + = | ~ -`. A colon would let the
 * task `b:c` of user `a` be the task `c` of user `a:b`; globs, spaces, control characters and emoji
 * are nobody's id, and half a surrogate pair becomes the same bytes as any other half.
 */
const ID = /^[\p{L}\p{M}\p{N}_.@+=|~-]{1,128}$/u;

/** The same for most ids, in a fraction of the time. */
const PLAIN_ID = /^[\w.@+=|~-]{1,128}$/;

/** What languages make of an id that is not there, when they put it into text. */
const NOBODY = /^(undefined|null|none|nil|nan)$/i;
const LONGEST_NOBODY = 9;

/**
 * An id as text. A number is taken where JSON.parse has every digit of it; beyond 2^53 two users could
 * come out as one.
 */
export function idOf(value: unknown): string | undefined | { wrong: string } {
  if (value === undefined || typeof value === 'string') return value;
  if (Number.isSafeInteger(value)) return String(value);
  if (Number.isInteger(value))
    return { wrong: 'a number beyond 2^53, whose last digits are lost: write it as text' };
  return { wrong: `${typeName(value)}, not text` };
}

/** For a sentence. */
export function typeName(value: unknown): string {
  if (value === undefined) return 'not there';
  if (value === null) return 'null';
  return Array.isArray(value)
    ? 'a list'
    : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** What is wrong with an id; undefined when nothing is. `name` is what it is the id of. */
export function idProblem(name: 'user' | 'task' | 'job', id: string): string | undefined {
  if (PLAIN_ID.test(id))
    return id.length <= LONGEST_NOBODY && NOBODY.test(id)
      ? `the ${name} is "${id}": nobody`
      : undefined;
  if (ID.test(id)) return undefined;
  if (id === '') return `the ${name} is empty`;
  if (id.includes(':'))
    return `the ${name} has a colon, which parts users from tasks in a key: two users could share one`;
  const odd = [...id].find((character) => !ID.test(character));
  if (odd === undefined) return `the ${name} has ${[...id].length} characters; 128 are the most`;
  const code = odd.codePointAt(0) ?? 0;
  const digits = code.toString(16).toUpperCase().padStart(4, '0');
  return `the ${name} has the character U+${digits}; expected letters, digits and _ . @ + = | ~ -`;
}
