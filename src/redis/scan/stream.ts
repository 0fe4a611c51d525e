import type { Channel } from '../channel.js';
import { ProtocolError } from '../resp.js';

/** Reads one or more replies off the stream; true when it has all of them. It is called again with more bytes. */
export interface Reader {
  read(bytes: Bytes): boolean;
}

/**
 * The hot path of a channel: text goes out, readers take their replies in order straight from the
 * bytes. A fifth of the cost of a promise and a string for each reply.
 */
export class ReplyStream {
  readonly #bytes = new Bytes();
  readonly #write: (bytes: string | Buffer) => void;
  #readers: Reader[] = [];
  #next = 0;
  /** When bytes last came or were first awaited (performance.now). */
  heard = performance.now();

  /** `onEnd` gets the failure of the connection, `onThrow` what a reader throws. */
  constructor(
    channel: Channel,
    { onEnd, onThrow }: { onEnd(error: Error): void; onThrow(error: Error): void },
  ) {
    const data = (chunk: Buffer) => {
      try {
        this.#feed(chunk);
      } catch (error) {
        onThrow(error as Error);
        throw error;
      }
    };
    this.#write = channel.handOver({ data, end: onEnd });
  }

  /** Readers whose replies are not all there. */
  get pending(): number {
    return this.#readers.length - this.#next;
  }

  /** Writes commands; `readers` take their replies. */
  write(commands: string | Buffer, ...readers: Reader[]): void {
    if (this.pending === 0) this.heard = performance.now();
    this.#readers.push(...readers);
    this.#write(commands);
  }

  #feed(chunk: Buffer): void {
    this.heard = performance.now();
    if (!this.#bytes.push(chunk)) return;
    while (this.#bytes.more()) {
      const reader = this.#readers[this.#next];
      if (!reader) throw new ProtocolError('a reply that nobody asked for');
      this.#next += 1;
      if (!reader.read(this.#bytes)) {
        this.#next -= 1;
        break;
      }
      if (this.#next === this.#readers.length) {
        this.#readers = [];
        this.#next = 0;
      } else if (this.#next > 1_000) {
        this.#readers.splice(0, this.#next);
        this.#next = 0;
      }
    }
    this.#bytes.keepRest();
  }
}

const [CR, DOLLAR, STAR, MINUS, COLON, ZERO] = Buffer.from('\r$*-:0') as unknown as [
  number,
  number,
  number,
  number,
  number,
  number,
];

const LARGEST_OWN = 1024 * 1024;

/**
 * Bytes that have come and are not read; `buffer` is good until the next chunk comes. Every method leaves `at`
 * where it was when bytes are missing.
 */
export class Bytes {
  buffer: Buffer = Buffer.alloc(0);
  at = 0;
  /** Where `bulkInPlace` has found a string. */
  from = 0;
  to = 0;
  #parts: Buffer[] = [];
  #length = 0;
  /** Where a rest and what comes after it are put together, again and again: V8 is slow to give memory outside of its heap back. */
  #own = Buffer.alloc(0);
  /** Below this length another look is of no use: a value of 1 MB is put together once. */
  #needed = 1;

  /** Adds a chunk; false when more must come before it can be read. */
  push(chunk: Buffer): boolean {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return false;
    this.buffer = this.#parts.length === 1 ? chunk : this.#joined();
    this.at = 0;
    this.#needed = 1;
    return true;
  }

  #joined(): Buffer {
    if (this.#length > LARGEST_OWN) return Buffer.concat(this.#parts, this.#length);
    if (this.#length > this.#own.length)
      this.#own = Buffer.allocUnsafeSlow(Math.min(LARGEST_OWN, 2 * this.#length));
    let at = 0;
    // The first of them may lie there already, further behind.
    for (const part of this.#parts) at += part.copy(this.#own, at);
    return this.#own.subarray(0, at);
  }

  more(): boolean {
    return this.at < this.buffer.length;
  }

  keepRest(): void {
    const rest = this.buffer.subarray(this.at);
    this.#parts = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    if (this.#needed <= this.#length) this.#needed = this.#length + 1;
  }

  /** The kind of the next reply: its first byte. */
  kind(): number {
    return this.buffer[this.at] as number;
  }

  /** The number after the first byte, its line read; undefined when the line is not whole. */
  number(): number | undefined {
    const { buffer } = this;
    let at = this.at + 1;
    const negative = buffer[at] === MINUS;
    if (negative) at += 1;
    let value = 0;
    for (; at < buffer.length; at += 1) {
      const digit = (buffer[at] as number) - ZERO;
      if (digit >= 0 && digit <= 9) {
        value = value * 10 + digit;
        continue;
      }
      if (buffer[at] !== CR) throw this.notExpected();
      if (at + 2 > buffer.length) return undefined;
      this.at = at + 2;
      return negative ? -value : value;
    }
    return undefined;
  }

  /** The text after the first byte, its line read. */
  line(): string | undefined {
    const end = this.buffer.indexOf('\r\n', this.at);
    if (end < 0) return undefined;
    const text = this.buffer.toString('latin1', this.at + 1, end);
    this.at = end + 2;
    return text;
  }

  /** Where the line ends; -1 when it is not whole. */
  lineEnd(): number {
    return this.buffer.indexOf(CR, this.at);
  }

  /** A bulk string, one character a byte. */
  bulk(): string | undefined {
    const start = this.at;
    if (start >= this.buffer.length) return undefined;
    if (this.kind() !== DOLLAR) throw this.notExpected();
    const length = this.number();
    if (length === undefined) return undefined;
    const from = this.at;
    if (this.buffer.length < from + length + 2) {
      this.#needed = from + length + 2 - start;
      this.at = start;
      return undefined;
    }
    this.at = from + length + 2;
    return this.buffer.toString('latin1', from, from + length);
  }

  /**
   * A bulk string where it lies, `from` to `to` of `buffer`, without a copy: true, or false for one that
   * is not there (nil). Undefined when bytes are missing.
   */
  bulkInPlace(): boolean | undefined {
    const start = this.at;
    if (start >= this.buffer.length) return undefined;
    if (this.kind() !== DOLLAR) throw this.notExpected();
    const length = this.number();
    if (length === undefined) return undefined;
    if (length < 0) return false;
    this.from = this.at;
    this.to = this.at + length;
    if (this.buffer.length < this.to + 2) {
      this.#needed = this.to + 2 - start;
      this.at = start;
      return undefined;
    }
    this.at = this.to + 2;
    return true;
  }

  notExpected(): ProtocolError {
    const [line] = this.buffer.toString('latin1', this.at, this.at + 20).split(/[\r\n]/);
    return new ProtocolError(`not the reply that was expected: ${JSON.stringify(line)}`);
  }
}

export const Kind = { array: STAR, bulk: DOLLAR, error: MINUS, integer: COLON } as const;

/** One command as bytes; arguments are latin1, one character a byte. */
export function command(...args: readonly (string | number)[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) {
    const value = String(arg);
    text += `$${value.length}\r\n${value}\r\n`;
  }
  return text;
}
