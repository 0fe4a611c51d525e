/** One character as it stands, or escaped, or one of many; what is missing here (groups, sets) is not understood. */
const PART =
  /(?:([\w :;,=<>@#%&'"`~!-])|\\([\\^$.*+?()[\]{}|/-])|[.^$]|\\[dDwWsSbB])(?:([*?])|(\+))?\??/y;

/**
 * A text, in ASCII, that everything has in it that the pattern matches, for an engine that can look
 * for a text and not for a pattern: `ETIMEDOUT` for /ETIMEDOUT 10\.0\.\d+/. Empty where none is certain.
 */
export function certainText({ source, ignoreCase }: RegExp): string {
  const runs = [''];
  if (ignoreCase) return '';
  for (let at = 0; at < source.length; at = PART.lastIndex) {
    PART.lastIndex = at;
    const [, plain, escaped, mayBeMissing, repeated] = PART.exec(source) ?? [];
    if (PART.lastIndex === 0) return '';
    const character = plain ?? escaped;
    const isCertain = character !== undefined && mayBeMissing === undefined;
    if (isCertain) runs[runs.length - 1] += character;
    if (!isCertain || repeated !== undefined) runs.push('');
  }
  return runs.reduce((longest, run) => (run.length > longest.length ? run : longest));
}
