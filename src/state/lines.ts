import { appendFileSync, closeSync, createReadStream, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import type * as z from 'zod/mini';
import { stateError, stateWrite } from './folder.js';

/**
 * The lines of a file from a byte on, as many at once as a piece of it has. node:readline would not do:
 * it takes U+2028, which JSON leaves as it is, for the end of a line.
 */
export async function* linesOf(path: string, start = 0): AsyncGenerator<string[]> {
  let rest = '';
  for await (const piece of createReadStream(path, { start, encoding: 'utf8' })) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    yield lines;
  }
  if (rest) yield [rest];
}

/** The JSON values of a file, one a line; a line that was cut off, or is none of them, counts for nothing. */
export async function* valuesOf<T>(path: string, schema: z.ZodMiniType<T>): AsyncGenerator<T[]> {
  for await (const lines of linesOf(path)) yield lines.flatMap((line) => parsed(line, schema));
}

function parsed<T>(line: string, schema: z.ZodMiniType<T>): T[] {
  try {
    const { data } = schema.safeParse(JSON.parse(line));
    return data === undefined ? [] : [data];
  } catch {
    return [];
  }
}

/** Not fsyncSync: a server is not to wait for the disk between two calls. */
const synced = promisify(fdatasync);

/** A file of JSON values, one a line. */
export interface LinesFile<T> {
  /** Appends: a kill of this process does not lose it. */
  write(values: readonly T[]): void;
  /** What has been written is on disk when it resolves: a power cut does not lose it either. */
  sync(): Promise<void>;
  close(): void;
}

/** Opens it to append; it may be there already. */
export function openLines<T>(path: string): LinesFile<T> {
  const file = stateWrite(path, () => openSync(path, 'a', 0o600));
  // A line that a kill or a full disk has cut off must not swallow the next one.
  let torn = true;
  return {
    write(values) {
      const text = values.map((value) => `${JSON.stringify(value)}\n`).join('');
      stateWrite(path, () => appendFileSync(file, torn ? `\n${text}` : text));
      torn = false;
    },
    async sync() {
      await synced(file).catch((error) => {
        throw stateError(path, error);
      });
    },
    close: () => closeSync(file),
  };
}
