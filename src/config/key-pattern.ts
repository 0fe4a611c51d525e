import { closestMatch } from 'leven';

/** Placeholders with a meaning of their own, by the names that they go by. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  prefix: 'prefix',
  env: 'env',
  environment: 'env',
  user: 'user',
  user_id: 'user',
  userId: 'user',
};
type Meaning = 'prefix' | 'env' | 'user';

/** A piece of a pattern: text as it is, or a placeholder. */
export type PatternPart =
  | { text: string }
  /** `rest`: it may hold colons, as `{path*}` does. */
  | { name: string; meaning: Meaning | undefined; rest: boolean };

/**
 * Reads a rule's pattern: `{prefix}:{env}:task:{user}:{task}`. A placeholder stands for one part
 * between colons, `{name*}` at the end for all that is left; `{{` and `}}` are the braces themselves,
 * which the hash tag of a cluster needs. Returns what is wrong with it instead, and what was expected.
 */
export function parseKeyPattern(pattern: string): PatternPart[] | { problem: string } {
  const parts: PatternPart[] = [];
  const pieces = pattern.match(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g) ?? [];
  for (const [index, piece] of pieces.entries()) {
    const last = parts.at(-1);
    const text = piece === '{{' ? '{' : piece === '}}' ? '}' : piece;
    if (piece === '{' || piece === '}') {
      return {
        problem: `"${piece}" stands alone; expected {name}, or ${piece}${piece} for itself`,
      };
    }
    if (text.length === 1 || !piece.startsWith('{')) {
      if (text.includes('*'))
        return {
          problem: '"*" has no meaning here; expected {name} for a part, {name*} for the rest',
        };
      if (last && 'text' in last) last.text += text;
      else parts.push({ text });
      continue;
    }
    if (last && 'name' in last)
      return { problem: `${piece} follows another one; expected ":" between` };
    const part = placeholder(piece);
    if ('problem' in part) return part;
    if (part.rest && index < pieces.length - 1)
      return { problem: `${piece} must be the last part: it takes all that is left` };
    parts.push(part);
  }
  return parts;
}

function placeholder(piece: string): Exclude<PatternPart, { text: string }> | { problem: string } {
  const [, name, star] = /^\{([a-z]\w*)(\*?)\}$/i.exec(piece) ?? [];
  if (name === undefined) {
    return { problem: `"${piece}" is no placeholder; expected {name} of letters, digits and "_"` };
  }
  const meaning = Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : undefined;
  // A mistyped {user} would be any part at all, and the check for the user would be gone.
  const near =
    meaning === undefined &&
    closestMatch(name, Object.keys(MEANINGS), { maxDistance: reach(name) });
  if (near) return { problem: `{${name}} is not known; did you mean {${near}}?` };
  return { name, meaning, rest: star === '*' };
}

const reach = (name: string) => (name.length > 4 ? 2 : 1);
