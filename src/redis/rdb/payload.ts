// How a server sends its data set to a replica: a line that says how long it is, then the RDB.
// https://github.com/redis/redis/blob/7.0/src/replication.c (readSyncBulkPayload)

import type { Socket } from 'node:net';
import { ClosedError } from '../socket.js';

const NEWLINE = 0x0a;
const LONGEST_LINE = 4_096;

/** How much there is: so many bytes, or up to a mark that the server has made up (diskless). */
export type Extent = { bytes: number } | { mark: Buffer };

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
  async *data(extent: Extent): AsyncGenerator<Buffer> {
    const isLast = 'bytes' in extent ? countdown(extent.bytes) : endsWith(extent.mark);
    for (let chunk: Buffer | undefined = this.#rest; chunk; chunk = await this.#next()) {
      const { piece, last } = isLast(chunk);
      if (piece.length > 0) yield piece;
      if (last) return;
    }
  }

  async #next(): Promise<Buffer | undefined> {
    const { done, value } = await this.#chunks.next();
    return done ? undefined : value;
  }
}

type Cut = (chunk: Buffer) => { piece: Buffer; last: boolean };

function countdown(bytes: number): Cut {
  let left = bytes;
  return (chunk) => {
    const piece = chunk.subarray(0, left);
    left -= piece.length;
    return { piece, last: left === 0 };
  };
}

/** Nothing follows the mark: the server waits until the replica has acknowledged. */
function endsWith(mark: Buffer): Cut {
  let tail = Buffer.alloc(0);
  return (chunk) => {
    tail = Buffer.concat([tail, chunk.subarray(-mark.length)]).subarray(-mark.length);
    return { piece: chunk, last: tail.equals(mark) };
  };
}

/** Undefined when the line is something else. */
export function parseExtent(line: string): Extent | undefined {
  const [, mark, bytes] = /^\$(?:EOF:(.{40})|(\d+))$/.exec(line) ?? [];
  if (mark !== undefined) return { mark: Buffer.from(mark, 'latin1') };
  return bytes === undefined ? undefined : { bytes: Number(bytes) };
}
