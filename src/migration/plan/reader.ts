import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { CacheOpsError } from '../../errors.js';
import { type Form, formOf } from '../target/forms.js';
import { AT, CHUNK_BYTES, CHUNK_ENTRIES, Chunk, files, RECORD } from './chunk.js';

/** Most chunks fit. */
const POOLED = CHUNK_BYTES + 256 * 1024;

/** Reads a plan's entries from an entry on, chunk by chunk. */
export class PlanReader {
  readonly count: number;
  readonly #commandsFile: number;
  readonly #entriesFile: number;
  readonly #free: ArrayBuffer[] = [];
  readonly #form: Form;

  constructor(folder: string) {
    const paths = files(folder);
    this.#commandsFile = openSync(paths.commands, 'r');
    this.#entriesFile = openSync(paths.entries, 'r');
    this.count = Math.floor(statSync(paths.entries).size / RECORD);
    const start = Buffer.alloc(2);
    readSync(this.#commandsFile, start, 0, start.length, 0);
    this.#form = formOf(start);
  }

  /** At most `most` entries from `first` on, their checksums checked. */
  read(first: number, most = CHUNK_ENTRIES): Chunk | undefined {
    const records = Buffer.allocUnsafe(Math.min(most, CHUNK_ENTRIES, this.count - first) * RECORD);
    if (records.length === 0) return undefined;
    readAll(this.#entriesFile, records, first * RECORD);
    let count = 0;
    let length = 0;
    const start = records.readDoubleLE(AT.offset);
    while (count * RECORD < records.length && (count === 0 || length < CHUNK_BYTES)) {
      length =
        records.readDoubleLE(count * RECORD + AT.offset) -
        start +
        records.readUInt32LE(count * RECORD + AT.length);
      count += 1;
    }
    const commands = this.#buffer(length);
    readAll(this.#commandsFile, commands, start);
    const chunk = new Chunk(
      first,
      count,
      commands,
      records.subarray(0, count * RECORD),
      this.#form,
    );
    chunk.verify();
    return chunk;
  }

  /** The chunk is in no more use: its memory, which is outside of V8's heap, is taken for another one. */
  release({ commands }: Chunk): void {
    const memory = commands.buffer as ArrayBuffer;
    if (memory.byteLength === POOLED && this.#free.length < 8) this.#free.push(memory);
  }

  #buffer(length: number): Buffer {
    if (length > POOLED || length < POOLED / 16) return Buffer.allocUnsafeSlow(length);
    return Buffer.from(this.#free.pop() ?? new ArrayBuffer(POOLED), 0, length);
  }

  /** Records only, without the commands: what is asked of them must not touch `commands`. */
  records(first: number, most: number): Chunk | undefined {
    const records = Buffer.allocUnsafe(Math.max(0, Math.min(most, this.count - first)) * RECORD);
    if (records.length === 0) return undefined;
    readAll(this.#entriesFile, records, first * RECORD);
    return new Chunk(first, records.length / RECORD, Buffer.alloc(0), records, this.#form);
  }

  close(): void {
    closeSync(this.#commandsFile);
    closeSync(this.#entriesFile);
  }
}

function readAll(file: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    const read = readSync(file, bytes, at, bytes.length - at, position + at);
    if (read === 0) throw new CacheOpsError('state', 'the plan is not whole', 'make a new plan');
    at += read;
  }
}
