import { createReadStream, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { crc32 } from 'node:zlib';
import { CacheOpsError, messageOf } from '../../errors.js';
import { firstAt, type Shape } from '../shape.js';
import { readDocument } from './document.js';
import { readLines } from './lines.js';
import type { Source } from './source.js';

export type Format = 'ndjson' | 'json';

export interface FileOptions {
  shape: Shape;
  /** Told by its name or its beginning where it is not given. */
  format?: Format | undefined;
  /** Bytes of the largest value. */
  largest: number;
}

/** Pieces are read ahead; several of them are in memory at a time. */
const PIECE = 1024 * 1024;
/** What stands around a value in its line or member. */
const AROUND = 1_024;

/** A file of JSON, or of JSON lines. */
export function fileSource(path: string, options: FileOptions): Source {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new CacheOpsError('not_found', `there is no file ${path}`);
  if (stat.isDirectory()) throw new CacheOpsError('usage', `${path} is a folder`);
  const description = `file ${basename(path)}`;
  const source = streamSource(description, options, {
    format: options.format ?? formatOfName(path),
    // A named pipe can be read once.
    again: stat.isFile(),
    open: () => createReadStream(path, { highWaterMark: PIECE }),
  });
  return { ...source, sum: (signal) => sumOf(path, description, signal) };
}

/** Into one and the same memory: a stream would take new memory for every piece. */
async function sumOf(path: string, description: string, signal: AbortSignal): Promise<string> {
  const file = await open(path).catch((error) => {
    throw new CacheOpsError('usage', `${description}: ${messageOf(error)}`);
  });
  try {
    const piece = Buffer.allocUnsafeSlow(PIECE);
    let sum = 0;
    let length = 0;
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(piece, 0, PIECE);
      if (bytesRead === 0) return `${length}:${sum}`;
      sum = crc32(piece.subarray(0, bytesRead), sum);
      length += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** What another program writes into a pipe. */
export function stdinSource(
  stdin: () => AsyncIterable<Buffer | string>,
  options: FileOptions,
): Source {
  return streamSource('stdin', options, { format: options.format, again: false, open: stdin });
}

interface Stream {
  format: Format | undefined;
  again: boolean;
  open(): AsyncIterable<Buffer | string>;
}

function streamSource(
  description: string,
  { shape, largest }: FileOptions,
  { format, again, open }: Stream,
): Source {
  let sum = 0;
  let length = 0;
  async function* pieces(signal: AbortSignal): AsyncGenerator<Buffer> {
    sum = 0;
    length = 0;
    try {
      for await (const piece of open()) {
        signal.throwIfAborted();
        const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
        sum = crc32(bytes, sum);
        length += bytes.length;
        yield bytes;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw new CacheOpsError('usage', `${description}: ${messageOf(error)}`);
    }
  }
  const fingerprint = () => `${length}:${sum}`;
  return {
    description,
    unit: format === 'json' ? 'entry' : 'line',
    again,
    fingerprint,
    async *read(signal) {
      const all = pieces(signal);
      const first = await all.next();
      if (first.done) return;
      const rest = withFirst(first.value, all);
      const isLines = (format ?? formatOfText(first.value, shape)) === 'ndjson';
      const most = largest + AROUND;
      yield* isLines ? readLines(rest, most) : readDocument(rest, shape, 16 * most);
    },
  };
}

async function* withFirst(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

function formatOfName(path: string): Format | undefined {
  if (/\.(ndjson|jsonl)$/i.test(path)) return 'ndjson';
  return /\.json$/i.test(path) ? 'json' : undefined;
}

/** Lines, where the first line is a whole object and another one follows, or it is an entry itself. */
function formatOfText(start: Buffer, shape: Shape): Format {
  const text = start.toString('utf8');
  if (/^\s*\[/.test(text)) return 'json';
  const end = text.indexOf('\n');
  const [line, next] = end < 0 ? [text, ''] : [text.slice(0, end), text.slice(end + 1).trim()];
  try {
    const value: unknown = JSON.parse(line);
    if (next !== '') return 'ndjson';
    const isEntry = [shape.user, shape.status, shape.messages].some(
      (paths) => firstAt(value as object, paths) !== undefined,
    );
    return isEntry ? 'ndjson' : 'json';
  } catch {
    // A line that is broken, or an object over several lines.
    return /^\s*\{\s*($|"(?:[^"\\]|\\.)*"\s*:\s*\{)/.test(line) && next !== '' ? 'json' : 'ndjson';
  }
}
