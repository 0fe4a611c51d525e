import { appendFileSync, closeSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { stateWrite } from '../../state/folder.js';
import { linesOf } from '../../state/lines.js';
import type { Chosen } from '../operation.js';
import type { Page } from './choose.js';

/** Jobs of one line of the file, and of one chunk: as many as an engine takes at once. */
export const CHUNK = 1_000;

const fileOf = (folder: string) => join(folder, 'chosen.ndjson');

/**
 * Writes chosen jobs to an operation's file; everything is on disk after `close`. A line has jobs of one
 * queue: its place, their ids, and what they looked like. A line a job would take three times as long.
 */
export function openChosen(folder: string): { write(page: Page): void; close(): void } {
  const path = fileOf(folder);
  const file = stateWrite(path, () => openSync(path, 'wx', 0o600));
  let place = 0;
  let ids: string[] = [];
  let seen: string[] = [];
  const flush = () => {
    if (ids.length === 0) return;
    const line = `${JSON.stringify([place, ids, seen])}\n`;
    stateWrite(path, () => appendFileSync(file, line));
    ids = [];
    seen = [];
  };
  return {
    write(page) {
      for (const job of page.jobs) {
        if (ids.length === CHUNK || page.place !== place) flush();
        place = page.place;
        ids.push(job.id);
        seen.push(job.seen);
      }
    },
    close() {
      flush();
      stateWrite(path, () => fsyncSync(file));
      closeSync(file);
    },
  };
}

/** A place in the file: where a line starts, in bytes, and how many of its jobs are before the place. */
export interface Position {
  offset: number;
  skip: number;
}

export interface Chunk {
  place: number;
  jobs: Chosen[];
  /** Where the next chunk starts. */
  next: Position;
}

/** The chosen jobs from a place on, in chunks of one queue and at most `size`. */
export async function* chunks(
  folder: string,
  { offset, skip }: Position,
  size: number,
): AsyncGenerator<Chunk> {
  let start = offset;
  let from = skip;
  for await (const lines of linesOf(fileOf(folder), offset)) {
    for (const line of lines) {
      const [place, ids, seen] = JSON.parse(line) as [number, string[], string[]];
      const end = start + Buffer.byteLength(line) + 1;
      for (; from < ids.length; from += size) {
        const to = Math.min(from + size, ids.length);
        const next = to < ids.length ? { offset: start, skip: to } : { offset: end, skip: 0 };
        const jobs = ids
          .slice(from, to)
          .map((id, index) => ({ id, seen: seen[from + index] as string }));
        yield { place, jobs, next };
      }
      start = end;
      from = 0;
    }
  }
}
