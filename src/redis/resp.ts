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

/** One command as an array of bulk strings. */
export function encode(args: readonly (string | number)[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join('')}`;
}

/** Not a RESP reply: something else answers on that port. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Cuts a stream of bytes into replies. Feed it chunks; it hands out every reply that is whole. */
export class ReplyParser {
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;

  feed(chunk: Buffer, onReply: (reply: Reply) => void): void {
    this.#buffer =
      this.#at < this.#buffer.length
        ? Buffer.concat([this.#buffer.subarray(this.#at), chunk])
        : chunk;
    this.#at = 0;
    for (;;) {
      const start = this.#at;
      const reply = this.#read();
      if (reply === undefined) {
        this.#at = start;
        return;
      }
      onReply(reply);
    }
  }

  #read(): Reply | undefined {
    const type = this.#buffer[this.#at];
    if (type === undefined) return undefined;
    if (!REPLY_TYPES.has(type)) {
      throw new ProtocolError(
        `not a Redis reply: ${JSON.stringify(this.#buffer.toString('latin1', this.#at, this.#at + 20))}`,
      );
    }
    const end = this.#buffer.indexOf('\r\n', this.#at);
    if (end < 0) return undefined;
    const line = this.#buffer.toString('utf8', this.#at + 1, end);
    this.#at = end + 2;
    switch (type) {
      case PLUS:
        return line;
      case MINUS:
        return new ReplyError(line);
      case COLON:
        return Number(line);
      case DOLLAR:
        return this.#bulk(Number(line));
      default:
        return this.#array(Number(line));
    }
  }

  #bulk(length: number): Reply | undefined {
    if (length < 0) return null;
    const from = this.#at;
    if (this.#buffer.length < from + length + 2) return undefined;
    this.#at = from + length + 2;
    return this.#buffer.toString('utf8', from, from + length);
  }

  #array(length: number): Reply | undefined {
    if (length < 0) return null;
    const items: Reply[] = [];
    for (let index = 0; index < length; index += 1) {
      const item = this.#read();
      if (item === undefined) return undefined;
      items.push(item);
    }
    return items;
  }
}

const [PLUS, MINUS, COLON, DOLLAR, STAR] = Buffer.from('+-:$*') as unknown as [
  number,
  number,
  number,
  number,
  number,
];
const REPLY_TYPES = new Set([PLUS, MINUS, COLON, DOLLAR, STAR]);
