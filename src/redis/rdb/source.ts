import { open } from 'node:fs/promises';
import { CacheOpsError, codeOf } from '../../errors.js';

/** Bytes in their order, into memory that is used again and again. */
export interface Source {
  /** Writes what comes next to `target`, from `from` on; returns how much, 0 at the end. Throws when reading fails. */
  fill(target: Buffer, from: number): Promise<number>;
  /** How many bytes there are; null where only the end will tell. */
  readonly total: number | null;
  close(): Promise<void>;
}

/** `total` is what is known of a stream's length; a file knows its own. */
export async function openSource(
  input: AsyncIterable<Uint8Array> | string,
  total: number | null,
): Promise<Source> {
  return typeof input === 'string' ? await openFile(input) : streamSource(input, total);
}

/** A file, or a pipe by its name. Throws CacheOpsError when it cannot be opened. */
async function openFile(path: string): Promise<Source> {
  const unreadable = (error: unknown) =>
    new CacheOpsError('not_found', `cannot read ${path} (${codeOf(error) ?? error})`);
  const handle = await open(path).catch((error: unknown) => {
    throw unreadable(error);
  });
  const stat = await handle.stat();
  if (stat.isDirectory()) {
    await handle.close();
    throw unreadable('a folder');
  }
  return {
    total: stat.isFile() ? stat.size : null,
    async fill(target, from) {
      const { bytesRead } = await handle.read(target, from, target.length - from, null);
      return bytesRead;
    },
    close: () => handle.close(),
  };
}

function streamSource(input: AsyncIterable<Uint8Array>, total: number | null): Source {
  const iterator = input[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  let done = false;
  return {
    total,
    async fill(target, from) {
      while (rest.length === 0 && !done) {
        const next = await iterator.next();
        done = next.done === true;
        if (!done) rest = next.value;
      }
      const part = rest.subarray(0, target.length - from);
      target.set(part, from);
      rest = rest.subarray(part.length);
      return part.length;
    },
    async close() {
      // Not awaited: a generator that waits for its next chunk answers only after that.
      if (!done) iterator.return?.()?.catch(() => {});
    },
  };
}
