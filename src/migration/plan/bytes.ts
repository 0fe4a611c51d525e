import { closeSync, constants, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs';
import { stateWrite } from '../../state/folder.js';

/** A file with one byte for each entry of a plan: what is not written is 0. */
export class EntryBytes {
  readonly #file: number;

  constructor(private readonly path: string) {
    this.#file = stateWrite(path, () =>
      openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600),
    );
  }

  read(first: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    readSync(this.#file, bytes, 0, count, first);
    return bytes;
  }

  /** A kill of this process does not lose it. */
  write(first: number, bytes: Uint8Array): void {
    stateWrite(this.path, () => {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(this.#file, bytes, at, bytes.length - at, first + at);
      }
    });
  }

  close(): void {
    fdatasyncSync(this.#file);
    closeSync(this.#file);
  }
}

/** What is known of an entry when it is planned, in `marks.bin`. */
export const Mark = {
  /** Another entry of the same key is newer: this one is not written. */
  superseded: 1,
  /** The target had this very value. */
  equal: 2,
  /** The target had another value. */
  differs: 4,
} as const;
