import { isAscii } from 'node:buffer';
import type { Read } from '../entry.js';
import { plainText } from '../quick.js';

const NEWLINE = 10;

/**
 * The lines of a stream of bytes as entries, as many at once as a piece of it has. A line of more than
 * `most` bytes is not kept: it is counted and told. Lines with nothing but spaces are passed over.
 */
export async function* readLines(
  pieces: AsyncIterable<Buffer>,
  most: number,
): AsyncGenerator<Read[]> {
  let rest: Buffer[] = [];
  let length = 0;
  let line = 1;
  const take = (text: Buffer, found: Read[], ascii?: boolean, plain?: string, from = 0) => {
    const end = text[text.length - 1] === 13 ? text.length - 1 : text.length;
    if (length > most) found.push(tooLong(line, length, most));
    else if (!isBlank(text, end)) {
      const whole = end === text.length ? text : text.subarray(0, end);
      if (plain !== undefined) found.push({ place: line, text: whole, plain, from });
      else found.push({ place: line, text: whole, ...(ascii && { ascii }) });
    }
    line += 1;
  };
  for await (const piece of pieces) {
    const found: Read[] = [];
    let at = 0;
    // Once for all of the lines that are in it as a whole.
    const ascii = isAscii(piece);
    const plain = ascii ? plainText(piece) : undefined;
    for (;;) {
      const end = piece.indexOf(NEWLINE, at);
      if (end < 0) break;
      if (length === 0) {
        length = end - at;
        take(piece.subarray(at, end), found, ascii, plain, at);
      } else {
        length += end - at;
        rest.push(piece.subarray(at, end));
        take(length > most ? EMPTY : Buffer.concat(rest), found);
        rest = [];
      }
      length = 0;
      at = end + 1;
    }
    if (at < piece.length) {
      length += piece.length - at;
      if (length > most) rest = [];
      else rest.push(piece.subarray(at));
    }
    if (found.length > 0) yield found;
  }
  if (length === 0) return;
  const found: Read[] = [];
  take(length > most ? EMPTY : Buffer.concat(rest), found);
  if (found.length > 0) yield found;
}

const EMPTY = Buffer.alloc(0);

function tooLong(place: number, length: number, most: number): Read {
  return {
    place,
    problem: 'too_large',
    reason: `a line of ${length} bytes; ${most} are the most`,
  };
}

function isBlank(text: Buffer, end: number): boolean {
  for (let at = 0; at < end; at += 1) {
    const byte = text[at] as number;
    if (byte !== 32 && byte !== 9) return false;
  }
  return true;
}
