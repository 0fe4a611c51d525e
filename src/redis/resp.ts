// RESP2, the protocol of every Redis and Valkey since 1.2.
// https://redis.io/docs/latest/develop/reference/protocol-spec/

/** An error reply. `code` is its first word: NOAUTH, WRONGPASS, LOADING, ERR... */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
  get code(): string {
    return /^[A-Z]+/.exec(this.message)?.[0] ?? 'ERR';
  }
}

export type Reply = string | number | null | ReplyError | Reply[];

/** How text becomes bytes. latin1 is one character a byte: nothing of a key or value is lost. */
export type TextEncoding = 'utf8' | 'latin1';

/** One command as an array of bulk strings. */
export function encode(
  args: readonly (string | number)[],
  encoding: TextEncoding = 'utf8',
): string {
  const words = args.map(String);
  // Most commands are ASCII alone: to ask that once is quicker than the length of every word.
  const all = words.join('');
  const isBytes = Buffer.byteLength(all, encoding) === all.length;
  let command = `*${words.length}\r\n`;
  for (const word of words) {
    const length = isBytes ? word.length : Buffer.byteLength(word, encoding);
    command += `$${length}\r\n${word}\r\n`;
  }
  return command;
}

/** Not a RESP reply: something else answers on that port. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/**
 * Cuts a stream of bytes into replies. Feed it chunks; it hands out every reply that is whole.
 * What has been read is not read again: a reply of a million items in a thousand chunks costs
 * one pass, and a long string is put together once, when all of it is there.
 */
export class ReplyParser {
  encoding: TextEncoding = 'utf8';
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes without which there is no point in looking again. */
  #needed = 1;
  #buffer: Buffer = EMPTY;
  #at = 0;
  /** Arrays that wait for their last items, the outermost first. */
  readonly #open: { items: Reply[]; length: number }[] = [];

  feed(chunk: Buffer, onReply: (reply: Reply) => void): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return;
    this.#buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#length);
    this.#at = 0;
    this.#needed = 0;
    while (this.#needed === 0) {
      const value = this.#read();
      if (value === undefined) continue;
      const reply = this.#place(value);
      if (reply !== undefined) onReply(reply);
    }
    const rest = this.#buffer.subarray(this.#at);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    this.#buffer = EMPTY;
  }

  /** One value; undefined when an array has been opened, or when bytes are missing (`#needed`). */
  #read(): Reply | undefined {
    const start = this.#at;
    const available = this.#buffer.length - start;
    if (available === 0) return this.#wait(1);
    const type = this.#buffer[start] as number;
    if (!REPLY_TYPES.has(type)) throw this.#notRedis();
    const plain = type === PLUS || type === MINUS ? undefined : this.#plainNumber(start + 1);
    if (plain !== undefined) return this.#counted(type, start, plain);
    const end = this.#buffer.indexOf('\r\n', start);
    if (end < 0) {
      if (available > LONGEST_LINE) throw this.#notRedis();
      return this.#wait(available + 1);
    }
    const line = this.#buffer.toString('utf8', start + 1, end);
    this.#at = end + 2;
    if (type === PLUS) return line;
    if (type === MINUS) return new ReplyError(line);
    const number = Number(line);
    if (line === '' || !Number.isInteger(number)) {
      this.#at = start;
      throw this.#notRedis();
    }
    return this.#counted(type, start, number);
  }

  /** Digits and the end of their line, byte by byte: bulk replies are half such lines. Undefined: not that. */
  #plainNumber(from: number): number | undefined {
    const buffer = this.#buffer;
    let at = from;
    let value = 0;
    for (let byte = buffer[at]; isDigit(byte); byte = buffer[++at])
      value = value * 10 + byte - ZERO;
    const digits = at - from;
    if (digits === 0 || digits > 15 || buffer[at] !== CR || buffer[at + 1] !== LF) return undefined;
    this.#at = at + 2;
    return value;
  }

  /** What a number with its type stands for: itself, or the length of what comes. */
  #counted(type: number, start: number, number: number): Reply | undefined {
    if (type === COLON) return number;
    if (number < 0) return null;
    if (type === DOLLAR) return this.#bulk(start, number);
    if (number === 0) return [];
    this.#open.push({ items: [], length: number });
    return undefined;
  }

  #bulk(start: number, length: number): Reply | undefined {
    const from = this.#at;
    const end = from + length + 2;
    if (this.#buffer.length < end) {
      this.#at = start;
      return this.#wait(end - start);
    }
    this.#at = end;
    return this.#buffer.toString(this.encoding, from, from + length);
  }

  /** Puts a value where it belongs; returns the reply that it completes, if it does. */
  #place(value: Reply): Reply | undefined {
    let whole = value;
    for (let array = this.#open.at(-1); array; array = this.#open.at(-1)) {
      array.items.push(whole);
      if (array.items.length < array.length) return undefined;
      whole = array.items;
      this.#open.pop();
    }
    return whole;
  }

  #wait(bytes: number): undefined {
    this.#needed = bytes;
  }

  #notRedis(): ProtocolError {
    // The first line only: what comes after it may be our own words sent back, a password among them.
    const [line] = this.#buffer.toString('latin1', this.#at, this.#at + 20).split(/[\r\n]/);
    return new ProtocolError(`not a Redis reply: ${JSON.stringify(line)}`);
  }
}

const EMPTY = Buffer.alloc(0);
/** Status, error and length lines are short; something else that never ends its line is not Redis. */
const LONGEST_LINE = 64 * 1024;
const [PLUS, MINUS, COLON, DOLLAR, STAR, ZERO, CR, LF] = Array.from('+-:$*0\r\n', (character) =>
  character.charCodeAt(0),
) as [number, number, number, number, number, number, number, number];
const isDigit = (byte: number | undefined): byte is number =>
  byte !== undefined && byte >= ZERO && byte < ZERO + 10;
const REPLY_TYPES = new Set([PLUS, MINUS, COLON, DOLLAR, STAR]);

/** The reply, or throws it when it is an error. */
export function demand(reply: Reply): Exclude<Reply, ReplyError> {
  if (reply instanceof ReplyError) throw reply;
  return reply;
}
