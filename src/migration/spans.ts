// Where the parts of a JSON text lie. A value is moved as the bytes that it was: to parse and write it
// again would turn 1.0 into 1 and round what is beyond 2^53. The text is valid JSON: it has been parsed.

const [QUOTE, BACKSLASH, COMMA, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = Buffer.from(
  '"\\,:{}[]',
) as unknown as [number, number, number, number, number, number, number, number];

export interface Span {
  from: number;
  to: number;
}

/** The parts of the object or array that `span` is: without the commas, the names still before them. */
function partsOf(text: Buffer, { from, to }: Span): Span[] {
  const parts: Span[] = [];
  let depth = 0;
  let start = from;
  for (let at = from; at < to; at += 1) {
    const byte = text[at];
    if (byte === QUOTE) at = endOfString(text, at);
    else if (byte === OPEN || byte === OPEN_LIST) {
      depth += 1;
      if (depth === 1) start = at + 1;
    } else if (byte === CLOSE || byte === CLOSE_LIST) {
      if (depth === 1) {
        const last = trimmed(text, { from: start, to: at });
        if (last.to > last.from) parts.push(last);
      }
      depth -= 1;
    } else if (byte === COMMA && depth === 1) {
      parts.push(trimmed(text, { from: start, to: at }));
      start = at + 1;
    }
  }
  return parts;
}

/** The values of an array. */
export function elementsOf(text: Buffer, span: Span): Span[] {
  return partsOf(text, span);
}

/** The value of an object's member; the last one of several of that name, as JSON.parse has it. */
export function memberOf(text: Buffer, span: Span, name: string): Span | undefined {
  let found: Span | undefined;
  for (const part of partsOf(text, span)) {
    const end = endOfString(text, part.from) + 1;
    if (JSON.parse(text.toString('utf8', part.from, end)) !== name) continue;
    found = trimmed(text, { from: text.indexOf(COLON, end) + 1, to: part.to });
  }
  return found;
}

/** The value at a path of names; undefined when it is not there. */
export function spanAt(text: Buffer, path: readonly string[]): Span | undefined {
  let span: Span | undefined = { from: 0, to: text.length };
  for (const name of path) {
    if (text[span.from] !== OPEN && span.from !== 0) return undefined;
    span = memberOf(text, span, name);
    if (!span) return undefined;
  }
  return span;
}

/** Where a string ends that begins at `from`: the place of its second quote. */
function endOfString(text: Buffer, from: number): number {
  let at = text.indexOf(QUOTE, from + 1);
  while (at >= 0 && isEscaped(text, at)) at = text.indexOf(QUOTE, at + 1);
  return at < 0 ? text.length : at;
}

function isEscaped(text: Buffer, at: number): boolean {
  let slashes = 0;
  while (text[at - 1 - slashes] === BACKSLASH) slashes += 1;
  return slashes % 2 === 1;
}

function trimmed(text: Buffer, { from, to }: Span): Span {
  let [start, end] = [from, to];
  while (start < end && isSpace(text[start])) start += 1;
  while (end > start && isSpace(text[end - 1])) end -= 1;
  return { from: start, to: end };
}

function isSpace(byte: number | undefined): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9;
}

/** A JSON text on one line: what stands between its tokens is left out. */
export function onOneLine(text: Buffer): Buffer {
  if (!text.includes(10) && !text.includes(13)) return text;
  const line = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at] as number;
    if (byte === QUOTE) {
      const end = endOfString(text, at) + 1;
      length += text.copy(line, length, at, end);
      at = end - 1;
    } else if (!isSpace(byte)) line[length++] = byte;
  }
  return line.subarray(0, length);
}
