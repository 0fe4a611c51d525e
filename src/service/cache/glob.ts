type Token =
  | { kind: 'any' }
  | { kind: 'one' }
  | { kind: 'literal'; char: string }
  | { kind: 'class'; ranges: [string, string][]; negated: boolean };

/** Makes text match only itself inside a Redis glob. */
export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, '\\$&');
}

/**
 * A Redis glob as a predicate, so that the memory cache deletes what Redis would. Not a regular
 * expression: those take exponential time on patterns such as `*a*a*a*b`, and users send patterns.
 * One difference stays: `?` is one UTF-16 unit here and one byte in Redis.
 */
export function globMatcher(pattern: string): (text: string) => boolean {
  const tokens = parse(pattern);
  return (text) => matches(tokens, text);
}

/** What every text that matches begins with. */
export function literalPrefix(pattern: string): string {
  let text = '';
  for (const token of parse(pattern)) {
    if (token.kind !== 'literal') break;
    text += token.char;
  }
  return text;
}

/** Linear in text x pattern: only the last `*` is ever tried again. */
function matches(tokens: readonly Token[], text: string): boolean {
  let at = 0;
  let token = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    const current = tokens[token];
    if (current?.kind === 'any') {
      star = token;
      starAt = at;
      token += 1;
    } else if (current && accepts(current, text.charAt(at))) {
      at += 1;
      token += 1;
    } else if (star >= 0) {
      starAt += 1;
      at = starAt;
      token = star + 1;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every((rest) => rest.kind === 'any');
}

function accepts(token: Token, char: string): boolean {
  if (token.kind === 'one') return true;
  if (token.kind === 'literal') return token.char === char;
  if (token.kind === 'any') return false;
  return token.ranges.some(([low, high]) => low <= char && char <= high) !== token.negated;
}

function parse(pattern: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < pattern.length) {
    const char = pattern.charAt(at);
    at += 1;
    if (char === '*') {
      if (tokens.at(-1)?.kind !== 'any') tokens.push({ kind: 'any' });
    } else if (char === '?') {
      tokens.push({ kind: 'one' });
    } else if (char === '[') {
      const [token, next] = parseClass(pattern, at);
      tokens.push(token);
      at = next;
    } else if (char === '\\' && at < pattern.length) {
      tokens.push({ kind: 'literal', char: pattern.charAt(at) });
      at += 1;
    } else {
      tokens.push({ kind: 'literal', char });
    }
  }
  return tokens;
}

/** `at` is behind the `[`; like Redis, a class that is never closed ends with the pattern. */
function parseClass(pattern: string, at: number): [Token, number] {
  const negated = pattern.charAt(at) === '^';
  const ranges: [string, string][] = [];
  let next = negated ? at + 1 : at;
  while (next < pattern.length && pattern.charAt(next) !== ']') {
    if (pattern.charAt(next) === '\\' && next + 1 < pattern.length) {
      ranges.push([pattern.charAt(next + 1), pattern.charAt(next + 1)]);
      next += 2;
    } else if (pattern.charAt(next + 1) === '-' && next + 2 < pattern.length) {
      const [a, b] = [pattern.charAt(next), pattern.charAt(next + 2)];
      ranges.push(a <= b ? [a, b] : [b, a]);
      next += 3;
    } else {
      ranges.push([pattern.charAt(next), pattern.charAt(next)]);
      next += 1;
    }
  }
  return [{ kind: 'class', ranges, negated }, next + 1];
}
