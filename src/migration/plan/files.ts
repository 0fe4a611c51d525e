import { closeSync, fdatasyncSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CacheOpsError } from '../../errors.js';
import { stateWrite } from '../../state/folder.js';

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

/** Writes a plan's entries, chunk by chunk. */
export class PlanWriter {
  count = 0;
  bytes = 0;
  readonly #paths: ReturnType<typeof files>;
  readonly #commandsFile: number;
  readonly #entriesFile: number;
  #commands = Buffer.allocUnsafe(CHUNK_BYTES + 64 * 1024);
  #records = Buffer.allocUnsafe(CHUNK_ENTRIES * RECORD);
  #used = 0;
  #held = 0;

  constructor(folder: string) {
    this.#paths = files(folder);
    this.#commandsFile = stateWrite(folder, () => openSync(this.#paths.commands, 'wx', 0o600));
    this.#entriesFile = stateWrite(folder, () => openSync(this.#paths.entries, 'wx', 0o600));
  }

  /** Adds an entry; returns a chunk when that is full, and it is in the file then. */
  add(entry: Planned): Chunk | undefined {
    const { key, value, moment, expires, place } = entry;
    const head = `${HEAD}${key.length}\r\n${key}\r\n$${value.length}\r\n`;
    const length = head.length + value.length + TAIL.length + 15;
    const full = this.#used + length > this.#commands.length ? this.flush() : undefined;
    if (length > this.#commands.length) this.#commands = Buffer.allocUnsafe(length);
    const start = this.#used;
    const commands = this.#commands;
    let at = start + commands.write(head, start, 'latin1');
    at += value.copy(commands, at);
    at += commands.write(TAIL, at, 'latin1');
    at += commands.write(String(expires), at, 'latin1');
    at += commands.write('\r\n', at, 'latin1');
    const records = this.#records;
    const record = this.#held * RECORD;
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
    this.#used = at;
    this.#held += 1;
    this.bytes += length;
    if (full) return full;
    return this.#held === CHUNK_ENTRIES || this.#used >= CHUNK_BYTES ? this.flush() : undefined;
  }

  /** What is held, written to the file; undefined when there is nothing. */
  flush(): Chunk | undefined {
    if (this.#held === 0) return undefined;
    const chunk = new Chunk(
      this.count,
      this.#held,
      this.#commands.subarray(0, this.#used),
      this.#records.subarray(0, this.#held * RECORD),
    );
    stateWrite(this.#paths.commands, () => {
      writeAll(this.#commandsFile, chunk.commands);
      writeAll(this.#entriesFile, this.#records.subarray(0, this.#held * RECORD));
    });
    this.count += this.#held;
    // The chunk is in use while the next one is filled.
    this.#commands = Buffer.allocUnsafe(CHUNK_BYTES + 64 * 1024);
    this.#records = Buffer.allocUnsafe(CHUNK_ENTRIES * RECORD);
    this.#used = 0;
    this.#held = 0;
    return chunk;
  }

  /** On disk for good. */
  close(): void {
    stateWrite(this.#paths.commands, () => {
      for (const file of [this.#commandsFile, this.#entriesFile]) {
        fdatasyncSync(file);
        closeSync(file);
      }
    });
  }
}

function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
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

/** Reads a plan's entries from an entry on, chunk by chunk. */
export class PlanReader {
  readonly count: number;
  readonly #commandsFile: number;
  readonly #entriesFile: number;

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
    const commands = Buffer.allocUnsafe(length);
    readAll(this.#commandsFile, commands, start);
    const chunk = new Chunk(first, count, commands, records.subarray(0, count * RECORD));
    chunk.verify();
    return chunk;
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
