// How a server sends its data set to a replica: a line that says how long it is, then the RDB.
// https://github.com/redis/redis/blob/7.0/src/replication.c (readSyncBulkPayload)

import type { Socket } from 'node:net';
import { ClosedError } from '../socket.js';

const NEWLINE = 0x0a;
const LONGEST_LINE = 4_096;

/** The lines of a replication hand-shake, then the data set, from one socket. */
export class Payload {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  /** The next line with something in it: empty ones say that the server is still at it. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(NEWLINE);
      if (end < 0 && this.#rest.length > LONGEST_LINE)
        throw new ClosedError('what answers is no Redis');
      if (end < 0) {
        const chunk = await this.#next();
        if (!chunk) throw new ClosedError('the server closed the connection');
        this.#rest = Buffer.concat([this.#rest, chunk]);
        continue;
      }
      const text = this.#rest.toString('latin1', 0, end).trim();
      this.#rest = this.#rest.subarray(end + 1);
      if (text !== '') return text;
    }
  }

  /** The data set in the pieces in which it comes; ends early where the connection does. */
  async *data(bytes: number): AsyncGenerator<Buffer> {
    let left = bytes;
    for (let chunk: Buffer | undefined = this.#rest; chunk; chunk = await this.#next()) {
      const piece = chunk.subarray(0, left);
      left -= piece.length;
      if (piece.length > 0) yield piece;
      if (left === 0) return;
    }
  }

  async #next(): Promise<Buffer | undefined> {
    const { done, value } = await this.#chunks.next();
    return done ? undefined : value;
  }
}

/**
 * How many bytes there are, by the line that says it; undefined when it is another line. Diskless servers
 * do not know: they say with which mark it will end. That is not needed, an RDB says itself where it ends.
 */
export function parseLength(line: string): number | undefined {
  if (/^\$EOF:.{40}$/.test(line)) return Number.POSITIVE_INFINITY;
  const [, bytes] = /^\$(\d+)$/.exec(line) ?? [];
  return bytes === undefined ? undefined : Number(bytes);
}
