import { closeSync, fdatasync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { stateError, stateWrite } from '../../state/folder.js';
import type { Form } from '../target/forms.js';
import { AT, CHUNK_BYTES, CHUNK_ENTRIES, Chunk, checksum, files, hashOf, RECORD } from './chunk.js';

export interface Planned {
  key: string;
  value: Buffer;
  moment: number;
  /** When it is to expire, in ms since 1970 by the target's clock; negative: never. */
  expires: number;
  place: number;
}

/** A chunk whose bytes are on their way into the files. */
export interface Writing {
  chunk: Chunk;
  /** Resolves when they are there. */
  stored: Promise<void>;
}

/**
 * Writes a plan's entries, chunk by chunk. The writing itself is done by Node's threads meanwhile; a chunk
 * that is done with is given back by `release`, so that its memory is used again.
 */
export class PlanWriter {
  count = 0;
  bytes = 0;
  readonly #path: string;
  readonly #commandsFile: number;
  readonly #entriesFile: number;
  readonly #free: Held[] = [];
  #held: Held = newHeld();

  constructor(
    folder: string,
    private readonly form: Form,
  ) {
    const paths = files(folder);
    this.#path = paths.commands;
    this.#commandsFile = stateWrite(folder, () => openSync(paths.commands, 'wx', 0o600));
    this.#entriesFile = stateWrite(folder, () => openSync(paths.entries, 'wx', 0o600));
  }

  /** Adds an entry; returns a chunk when one is full. */
  add({ key, value, moment, expires, place }: Planned): Writing | undefined {
    const { form } = this;
    const head = `${form.head}${key.length}\r\n${key}\r\n${form.between(expires)}$${value.length}\r\n`;
    const tail = form.tail(expires);
    const length = head.length + value.length + tail.length;
    const full = this.#held.used + length > this.#held.commands.length ? this.flush() : undefined;
    const held = this.#held;
    if (length > held.commands.length) held.commands = Buffer.allocUnsafe(length);
    const start = held.used;
    const { commands, records } = held;
    let at = start + commands.write(head, start, 'latin1');
    at += value.copy(commands, at);
    at += commands.write(tail, at, 'latin1');
    const record = held.count * RECORD;
    records.writeDoubleLE(this.bytes, record + AT.offset);
    records.writeUInt32LE(length, record + AT.length);
    records.writeUInt32LE(checksum(commands.subarray(start, at), moment), record + AT.checksum);
    records.writeDoubleLE(moment, record + AT.moment);
    records.writeDoubleLE(expires, record + AT.expires);
    const [hash, check] = hashOf(key);
    records.writeUInt32LE(hash, record + AT.hash);
    records.writeUInt32LE(check, record + AT.check);
    records.writeUInt32LE(key.length, record + AT.key);
    records.writeUInt32LE(value.length, record + AT.value);
    records.writeDoubleLE(place, record + AT.place);
    held.used = at;
    held.count += 1;
    this.bytes += length;
    if (full) return full;
    return held.count === CHUNK_ENTRIES || held.used >= CHUNK_BYTES ? this.flush() : undefined;
  }

  /** What is held; undefined when there is nothing. */
  flush(): Writing | undefined {
    const { commands, records, used, count } = this.#held;
    if (count === 0) return undefined;
    const own = {
      commands: commands.subarray(0, used),
      records: records.subarray(0, count * RECORD),
    };
    const chunk = new Chunk(this.count, count, own.commands, own.records, this.form);
    const stored = Promise.all([
      writeAll(this.#commandsFile, own.commands, this.bytes - used),
      writeAll(this.#entriesFile, own.records, this.count * RECORD),
    ]).then(
      () => {},
      (error) => {
        throw stateError(this.#path, error);
      },
    );
    this.count += count;
    this.#held = this.#free.pop() ?? newHeld();
    return { chunk, stored };
  }

  /** The chunk is stored and in no more use. */
  release({ commands }: Chunk): void {
    if (commands.buffer.byteLength > 2 * CHUNK_BYTES || this.#free.length > 8) return;
    const held = newHeld(Buffer.from(commands.buffer as ArrayBuffer));
    this.#free.push(held);
  }

  /** On disk for good. */
  async close(): Promise<void> {
    for (const file of [this.#commandsFile, this.#entriesFile]) {
      await synced(file).catch((error) => {
        throw stateError(this.#path, error);
      });
      closeSync(file);
    }
  }
}

/** What is filled next. */
interface Held {
  commands: Buffer;
  records: Buffer;
  used: number;
  count: number;
}

function newHeld(commands = Buffer.allocUnsafeSlow(CHUNK_BYTES + 64 * 1024)): Held {
  return { commands, records: Buffer.allocUnsafeSlow(CHUNK_ENTRIES * RECORD), used: 0, count: 0 };
}

const writeSome = promisify(write);
const synced = promisify(fdatasync);

async function writeAll(file: number, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await writeSome(file, bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}
