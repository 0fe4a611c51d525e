/** What makes two messages of the same failure differ, from the most particular to the least. */
const PARTICULARS: readonly [RegExp, string][] = [
  [/(?<!\w)(["'`])(?:\\.|(?!\1)[^\\]){1,200}?\1(?!\w)/g, '<text>'],
  [/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, '<address>'],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s)\]}>,;]+/gi, '<url>'],
  [/\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi, '<id>'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?/g, '<time>'],
  [/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, '<host>'],
  // Long words that have letters and digits: hashes, ULIDs, request ids.
  [/\b(?=[a-z_-]*\d)(?=[\d_-]*[a-z])[\w-]{12,}\b/gi, '<id>'],
  [/\b0x[0-9a-f]+\b/gi, '<n>'],
  // Also with a unit (30s) or a prefix (job-17, T4711).
  [/\d+(?:[.,]\d+)*/g, '<n>'],
];

const LONGEST = 200;
/** What the patterns are let loose on. */
const LONGEST_LINE = 500;

/**
 * A message without what differs from one failure to the next (ids, numbers, times, quoted parts),
 * by which failures are grouped. Its first line only, cut.
 */
export function shapeOf(message: string): string {
  const line = message.slice(0, LONGEST_LINE).split(/\r?\n/, 1)[0] as string;
  const shape = PARTICULARS.reduce(
    (text, [pattern, word]) => text.replace(pattern, word),
    line.trim(),
  );
  return shape.length > LONGEST ? `${shape.slice(0, LONGEST)}...` : shape;
}
