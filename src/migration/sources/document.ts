import type { Bad, Read } from '../entry.js';
import { firstAt, type Shape } from '../shape.js';
import { memberOf } from '../spans.js';

const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = Buffer.from(
  '"\\,{}[]',
) as unknown as [number, number, number, number, number, number, number];

/**
 * The entries of one JSON document as it comes in pieces: the elements of an array, or the members of a
 * dictionary by task, or by user and then task. Cut at the commas of the outermost level, so one broken
 * entry costs no other, and memory holds one member at a time: of at most `most` bytes.
 */
export async function* readDocument(
  pieces: AsyncIterable<Buffer>,
  shape: Shape,
  most: number,
): AsyncGenerator<Read[]> {
  const cutter = new Cutter(most);
  let place = 1;
  for await (const piece of pieces) {
    const found: Read[] = [];
    for (const part of cutter.feed(piece)) {
      for (const entry of entriesOf(part, cutter.isList, place, shape, most)) {
        found.push(entry);
        place += 1;
      }
    }
    if (found.length > 0) yield found;
  }
  const reason = cutter.end();
  if (reason) yield [{ place, problem: 'cut_off', reason }];
}

/** A part of the outermost level, or how many bytes it had when they were too many. */
type Part = Buffer | number;

class Cutter {
  isList = false;
  #depth = 0;
  #quoted = false;
  #escaped = false;
  #kept: Buffer[] = [];
  #length = 0;
  #ended = false;
  #rubbish = false;

  constructor(private readonly most: number) {}

  feed(piece: Buffer): Part[] {
    const parts: Part[] = [];
    let start = 0;
    for (let at = 0; at < piece.length; at += 1) {
      const byte = piece[at] as number;
      if (this.#quoted) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#quoted = false;
        continue;
      }
      if (byte === QUOTE && this.#depth > 0) this.#quoted = true;
      else if (byte === OPEN || byte === OPEN_LIST) {
        if (this.#depth === 0 && !this.#ended) {
          this.isList = byte === OPEN_LIST;
          start = at + 1;
        }
        this.#depth += 1;
      } else if (byte === CLOSE || byte === CLOSE_LIST) {
        this.#depth -= 1;
        if (this.#depth !== 0) continue;
        this.#take(piece, start, at, parts, true);
        this.#ended = true;
        start = at + 1;
      } else if (byte === COMMA && this.#depth === 1) {
        this.#take(piece, start, at, parts, false);
        start = at + 1;
      } else if (this.#depth === 0 && byte > 32 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf)
        this.#rubbish = true;
    }
    if (this.#depth > 0) this.#keep(piece, start, piece.length);
    return parts;
  }

  /** What was wrong with the document as a whole. */
  end(): string | undefined {
    if (!this.#ended) return 'the document ends in the middle';
    return this.#rubbish ? 'there is text outside of the document' : undefined;
  }

  #keep(piece: Buffer, from: number, to: number): void {
    this.#length += to - from;
    if (this.#length > this.most) this.#kept = [];
    else if (to > from) this.#kept.push(piece.subarray(from, to));
  }

  /** The end of a part. After the last comma of a document there may be nothing. */
  #take(piece: Buffer, from: number, to: number, parts: Part[], last: boolean): void {
    this.#keep(piece, from, to);
    if (this.#length > this.most) parts.push(this.#length);
    else {
      const [only] = this.#kept;
      const part = only && this.#kept.length === 1 ? only : Buffer.concat(this.#kept);
      if (!last || part.toString('latin1').trim() !== '') parts.push(part);
    }
    this.#kept = [];
    this.#length = 0;
  }
}

function* entriesOf(
  part: Part,
  isList: boolean,
  place: number,
  shape: Shape,
  most: number,
): Generator<Read> {
  if (typeof part === 'number') {
    yield { place, problem: 'too_large', reason: `${part} bytes; ${most} are the most` };
    return;
  }
  if (isList) {
    yield { place, text: part };
    return;
  }
  const member = nameOf(part);
  if (!member) {
    yield broken(place, part);
    return;
  }
  const [key, text] = member;
  const inner = dictionaryIn(text, shape);
  if (!inner) {
    yield { place, text, keys: [key] };
    return;
  }
  let at = place;
  for (const task of inner.names) {
    const span = memberOf(text, { from: 0, to: text.length }, task);
    if (span) yield { place: at, text: text.subarray(span.from, span.to), keys: [key, task] };
    at += 1;
  }
}

/** A member's name and the text of its value. */
function nameOf(part: Buffer): [string, Buffer] | undefined {
  const found = /^\s*("(?:[^"\\]|\\.)*")\s*:/.exec(part.toString('utf8'));
  if (!found) return undefined;
  try {
    const from = Buffer.byteLength(found[0]);
    const value = part.subarray(from);
    const start = value.findIndex((byte) => byte > 32);
    return [JSON.parse(found[1] as string) as string, value.subarray(Math.max(start, 0))];
  } catch {
    return undefined;
  }
}

/** The tasks of one user, where the value is a dictionary of entries and no entry itself. */
function dictionaryIn(text: Buffer, shape: Shape): { names: string[] } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const isEntry = [shape.status, shape.messages, shape.updatedAt, shape.value, shape.data].some(
    (paths) => firstAt(value, paths) !== undefined,
  );
  const values = Object.values(value);
  const isDictionary = values.length > 0 && values.every((one) => typeof one === 'object');
  return isEntry || !isDictionary ? undefined : { names: Object.keys(value) };
}

function broken(place: number, part: Buffer): Bad {
  const text = part.toString('utf8', 0, 60).trim();
  return { place, problem: 'bad_json', reason: `no member of a dictionary: ${text}` };
}
