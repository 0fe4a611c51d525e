import { join } from 'node:path';
import { type LinesFile, linesOf, openLines } from '../../state/lines.js';

/** A key that is to be changed. */
export interface Chosen {
  /** The number of its master in the record. */
  node: number;
  key: string;
  /** The time to live that it is to get; 0 where it is to be removed. */
  ttl_ms: number;
}

type Line = [node: number, key: string, ttl_ms: number];

const fileOf = (folder: string) => join(folder, 'chosen.ndjson');

/** The file of chosen keys; everything is on disk after `sync`. */
export function openChosen(folder: string): LinesFile<Line> {
  return openLines<Line>(fileOf(folder));
}

export interface Chunk {
  keys: Chosen[];
  /** Where the next chunk starts, in bytes. */
  next: number;
}

/** The chosen keys from `offset` on, at most `size` at a time. */
export async function* chunks(folder: string, offset: number, size: number): AsyncGenerator<Chunk> {
  let keys: Chosen[] = [];
  let next = offset;
  for await (const lines of linesOf(fileOf(folder), offset)) {
    for (const line of lines) {
      next += Buffer.byteLength(line) + 1;
      // The file begins with an empty line.
      if (line === '') continue;
      const [node, key, ttl_ms] = JSON.parse(line) as Line;
      keys.push({ node, key, ttl_ms });
      if (keys.length < size) continue;
      yield { keys, next };
      keys = [];
    }
  }
  if (keys.length > 0) yield { keys, next };
}
