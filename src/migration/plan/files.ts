import { closeSync, fdatasync, openSync, readSync, statSync, write } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { CacheOpsError } from '../../errors.js';
import { stateError, stateWrite } from '../../state/folder.js';

// A plan's entries are the very commands that write them, one after the other in `commands.resp`: to
// apply a plan is to send that file. What is known of each is a record of 64 bytes in `entries.bin`.

const RECORD = 64;
const AT = {
  offset: 0,
  length: 8,
  checksum: 12,
  moment: 16,
  expires: 24,
  hash: 32,
  check: 36,
  key: 40,
  value: 44,
  place: 48,
} as const;

/** How many entries are read, sent and written down together, and how many bytes of them. */
const CHUNK_ENTRIES = 2_000;
const CHUNK_BYTES = 1024 * 1024;

/** Before the key in its command, and after the value: `SET key value NX PXAT ms`, in ms since 1970. */
const HEAD = '*6\r\n$3\r\nSET\r\n$';
const TAIL = '\r\n$2\r\nNX\r\n$4\r\nPXAT\r\n$13\r\n';

export interface Planned {
  key: string;
  value: Buffer;
  moment: number;
  /** When it is to expire, in ms since 1970 by the target's clock. */
  expires: number;
  place: number;
}

/** Some entries of a plan, one after the other. */
export class Chunk {
  constructor(
    /** The number of its first entry. */
    readonly first: number,
    readonly count: number,
    readonly commands: Buffer,
    private readonly records: Buffer,
  ) {}

  /** Where the command of an entry begins in `commands`, and where it ends. */
  from(index: number): number {
    return this.#double(index, AT.offset) - this.#double(0, AT.offset);
  }
  to(index: number): number {
    return this.from(index) + this.#word(index, AT.length);
  }
  moment(index: number): number {
    return this.#double(index, AT.moment);
  }
  expires(index: number): number {
    return this.#double(index, AT.expires);
  }
  place(index: number): number {
    return this.#double(index, AT.place);
  }
  /** Two numbers of 32 bits that tell keys apart. */
  hash(index: number): number {
    return this.#word(index, AT.hash);
  }
  check(index: number): number {
    return this.#word(index, AT.check);
  }
  keyLength(index: number): number {
    return this.#word(index, AT.key);
  }
  valueFrom(index: number): number {
    return this.valueTo(index) - this.#word(index, AT.value);
  }
  valueTo(index: number): number {
    return this.to(index) - TAIL.length - 15;
  }
  /** Bytes, one latin1 character each. */
  key(index: number): string {
    const length = this.#word(index, AT.key);
    const from = this.from(index) + HEAD.length + digits(length) + 2;
    return this.commands.toString('latin1', from, from + length);
  }
  value(index: number): Buffer {
    return this.commands.subarray(this.valueFrom(index), this.valueTo(index));
  }
  command(index: number): Buffer {
    return this.commands.subarray(this.from(index), this.to(index));
  }

  /** Throws when an entry is not as it was planned. */
  verify(): void {
    for (let index = 0; index < this.count; index += 1) {
      const found = checksum(this.command(index), this.moment(index));
      if (found === this.#word(index, AT.checksum)) continue;
      throw new CacheOpsError(
        'state',
        `entry ${this.first + index + 1} of the plan is not as it was planned: its checksum differs`,
        'make a new plan',
      );
    }
  }

  #word(index: number, field: number): number {
    return this.records.readUInt32LE(index * RECORD + field);
  }
  #double(index: number, field: number): number {
    return this.records.readDoubleLE(index * RECORD + field);
  }
}

const MOMENT = new DataView(new ArrayBuffer(8));

/** Over the command and the entry's own time, which decides what overwrites what. */
function checksum(command: Buffer, moment: number): number {
  MOMENT.setFloat64(0, moment);
  return crc32(command, (MOMENT.getUint32(0) ^ MOMENT.getUint32(4)) >>> 0);
}

function digits(number: number): number {
  if (number < 10) return 1;
  if (number < 100) return 2;
  return String(number).length;
}

const files = (folder: string) => ({
  commands: join(folder, 'commands.resp'),
  entries: join(folder, 'entries.bin'),
});

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

  constructor(folder: string) {
    const paths = files(folder);
    this.#path = paths.commands;
    this.#commandsFile = stateWrite(folder, () => openSync(paths.commands, 'wx', 0o600));
    this.#entriesFile = stateWrite(folder, () => openSync(paths.entries, 'wx', 0o600));
  }

  /** Adds an entry; returns a chunk when one is full. */
  add({ key, value, moment, expires, place }: Planned): Writing | undefined {
    const head = `${HEAD}${key.length}\r\n${key}\r\n$${value.length}\r\n`;
    const length = head.length + value.length + TAIL.length + 15;
    const full = this.#held.used + length > this.#held.commands.length ? this.flush() : undefined;
    const held = this.#held;
    if (length > held.commands.length) held.commands = Buffer.allocUnsafe(length);
    const start = held.used;
    const { commands, records } = held;
    let at = start + commands.write(head, start, 'latin1');
    at += value.copy(commands, at);
    at += commands.write(`${TAIL}${expires}\r\n`, at, 'latin1');
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
    const chunk = new Chunk(this.count, count, own.commands, own.records);
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

/** Two hashes of a key (cyrb53: two multiplications a character), which must both be equal to ask more. */
export function hashOf(key: string): [number, number] {
  let [one, two] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < key.length; at += 1) {
    const code = key.charCodeAt(at);
    one = Math.imul(one ^ code, 2654435761);
    two = Math.imul(two ^ code, 1597334677);
  }
  one = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(two ^ (two >>> 13), 3266489909);
  two = Math.imul(two ^ (two >>> 16), 2246822507) ^ Math.imul(one ^ (one >>> 13), 3266489909);
  return [one >>> 0, two >>> 0];
}

/** Most chunks fit. */
const POOLED = CHUNK_BYTES + 256 * 1024;

/** Reads a plan's entries from an entry on, chunk by chunk. */
export class PlanReader {
  readonly count: number;
  readonly #commandsFile: number;
  readonly #entriesFile: number;
  readonly #free: ArrayBuffer[] = [];

  constructor(folder: string) {
    const paths = files(folder);
    this.#commandsFile = openSync(paths.commands, 'r');
    this.#entriesFile = openSync(paths.entries, 'r');
    this.count = Math.floor(statSync(paths.entries).size / RECORD);
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
    const chunk = new Chunk(first, count, commands, records.subarray(0, count * RECORD));
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
    return new Chunk(first, records.length / RECORD, Buffer.alloc(0), records);
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
