import { isUtf8 } from 'node:buffer';

// Keys and values are bytes. On a channel that speaks bytes they come as text of one latin1
// character each; these turn them into what people read, and back.

/** Bytes as people read them; `base64` is there, and tells them apart, when they are not UTF-8. */
export interface Shown {
  text: string;
  base64?: string;
}

/** What `bytes` (latin1) say as UTF-8; as latin1 when they are not that. */
export function shown(bytes: string): Shown {
  const buffer = Buffer.from(bytes, 'latin1');
  if (isUtf8(buffer)) return { text: buffer.toString('utf8') };
  return { text: bytes, base64: buffer.toString('base64') };
}

/** The bytes (latin1) of text that somebody typed. */
export function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** At most `limit` of the bytes (latin1), not ending within a character. */
export function cutBytes(bytes: string, limit: number): string {
  if (bytes.length <= limit) return bytes;
  const start = bytes.slice(0, limit);
  // A character of UTF-8 has at most four bytes; 10xxxxxx are those after its first.
  for (let back = 0; back < 4; back += 1) {
    const shorter = start.slice(0, limit - back);
    if (isUtf8(Buffer.from(shorter, 'latin1'))) return shorter;
  }
  return start;
}
