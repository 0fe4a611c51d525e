import { ReplyError } from '../../redis/resp.js';
import { type Bytes, Kind, type Reader } from '../../redis/scan/stream.js';
import type { Chunk } from '../plan/chunk.js';
import type { Form } from './forms.js';

const PLUS = 43;

/** The answers to conditional writes: was it done? An error reply is kept; the first one that ends all is thrown. */
export class Written implements Reader {
  /** 1 done, 0 not (the key exists), 2 refused by the ACL, 3 a dump that this server cannot take. */
  readonly codes: Uint8Array;
  #at = 0;

  constructor(count: number) {
    this.codes = new Uint8Array(count);
  }

  read(bytes: Bytes): boolean {
    const { codes } = this;
    while (this.#at < codes.length) {
      if (!bytes.more()) return false;
      const kind = bytes.kind();
      if (kind === PLUS) {
        // +OK and the end of its line.
        if (bytes.buffer.length < bytes.at + 5) return false;
        bytes.at += 5;
        codes[this.#at] = 1;
      } else if (kind === Kind.error) {
        const error = errorIn(bytes);
        if (!error) return false;
        codes[this.#at] = codeOf(error);
      } else if (kind === Kind.bulk || kind === Kind.integer) {
        const number = bytes.number();
        if (number === undefined) return false;
        codes[this.#at] = kind === Kind.integer && number > 0 ? 1 : 0;
      } else throw bytes.notExpected();
      this.#at += 1;
    }
    return true;
  }
}

function codeOf(error: ReplyError): number {
  if (isHidden(error)) return 2;
  // RESTORE says so of a key that is there.
  if (error.code === 'BUSYKEY') return 0;
  if (/Bad data format|DUMP payload version/.test(error.message)) return 3;
  throw error;
}

/** A key that the user's ACL hides; anything else ends the work. */
export function isHidden(error: ReplyError): boolean {
  return error.code === 'NOPERM' && / access one of the keys/.test(error.message);
}

function errorIn(bytes: Bytes): ReplyError | undefined {
  const line = bytes.line();
  return line === undefined ? undefined : new ReplyError(line);
}

/** Takes the value of a key and what TTL says of it: see `Found`. */
export type Take = (index: number, found: Found, bytes: Bytes, deadline: number) => void;

/** What is at a key. Of a value `bytes.from` to `bytes.to` are its place in `bytes.buffer`. */
export type Found = 'value' | 'nothing' | 'other type' | 'hidden';

/** The answers to GET or DUMP and, where it was asked, to the question for the time of expiry. */
export class Values implements Reader {
  #at = 0;

  constructor(
    private readonly count: number,
    private readonly expiry: Expiry | undefined,
    private readonly take: Take,
  ) {}

  read(bytes: Bytes): boolean {
    while (this.#at < this.count) {
      const start = bytes.at;
      const found = this.#value(bytes);
      const [from, to] = [bytes.from, bytes.to];
      const deadline = found && (this.expiry ? this.#number(bytes) : -1);
      if (found === undefined || deadline === undefined) {
        bytes.at = start;
        return false;
      }
      bytes.from = from;
      bytes.to = to;
      this.take(this.#at, found, bytes, deadline);
      this.#at += 1;
    }
    return true;
  }

  #value(bytes: Bytes): Found | undefined {
    if (!bytes.more()) return undefined;
    if (bytes.kind() === Kind.error) {
      const error = errorIn(bytes);
      if (!error) return undefined;
      if (error.code === 'WRONGTYPE') return 'other type';
      if (isHidden(error)) return 'hidden';
      throw error;
    }
    const there = bytes.bulkInPlace();
    if (there === undefined) return undefined;
    return there ? 'value' : 'nothing';
  }

  #number(bytes: Bytes): number | undefined {
    if (!bytes.more()) return undefined;
    if (bytes.kind() === Kind.integer) return bytes.number();
    const error = errorIn(bytes);
    if (!error) return undefined;
    if (isHidden(error)) return -2;
    throw error;
  }
}

/** What says when a key expires: PEXPIRETIME came with Redis 7. */
export type Expiry = 'PEXPIRETIME' | 'PTTL';

/** The questions whose answers `Values` reads. */
export function lookAt({ look }: Form, key: string, expiry: Expiry | undefined): string {
  const name = `$${key.length}\r\n${key}\r\n`;
  const get = `*2\r\n$${look.length}\r\n${look}\r\n${name}`;
  return expiry ? `${get}*2\r\n$${expiry.length}\r\n${expiry}\r\n${name}` : get;
}

/** Is the value that was found this one of the chunk? */
export function isValueOf(chunk: Chunk, index: number, { buffer, from, to }: Bytes): boolean {
  const [start, end] = [chunk.valueFrom(index), chunk.valueTo(index)];
  if (to - from === end - start && buffer.compare(chunk.commands, start, end, from, to) === 0)
    return true;
  return chunk.form.isSame(chunk.value(index), buffer.subarray(from, to));
}
