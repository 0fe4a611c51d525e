/**
 * The same text in memory of its own. A part of a string keeps all of the string alive, and a key may
 * be part of the whole reply that it came in. Keys are latin1; labels have other characters too.
 */
export function ownCopy(text: string, encoding: 'latin1' | 'utf16le'): string {
  return Buffer.from(text, encoding).toString(encoding);
}
