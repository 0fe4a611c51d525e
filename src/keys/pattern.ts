/** Has a Redis glob something that stands for other text? `\*` is a star and nothing else. */
export function hasWildcard(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\[\s\S]/g, ''));
}

/** Text that a Redis glob takes literally. */
export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, '\\$&');
}

/** The one text that a pattern without wildcards means. */
export function literalOf(pattern: string): string {
  return pattern.replace(/\\([\s\S])/g, '$1');
}

/** Does it mean every key there is, or all but the empty one? `*`, `**`, `?*`; and no pattern at all. */
export function meansAll(pattern: string): boolean {
  return pattern === '' || /^[*?]*\*[*?]*$/.test(pattern);
}
