import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CacheOpsError } from '../../errors.js';
import type { Form } from '../target/forms.js';

// A plan's entries are the very commands that write them, one after the other in `commands.resp`: to
// apply a plan is to send that file. What is known of each is a record of 64 bytes in `entries.bin`.

export const RECORD = 64;
export const AT = {
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
export const CHUNK_ENTRIES = 2_000;
export const CHUNK_BYTES = 1024 * 1024;

export const files = (folder: string) => ({
  commands: join(folder, 'commands.resp'),
  entries: join(folder, 'entries.bin'),
});

/** Some entries of a plan, one after the other. */
export class Chunk {
  constructor(
    /** The number of its first entry. */
    readonly first: number,
    readonly count: number,
    readonly commands: Buffer,
    private readonly records: Buffer,
    /** How its values are written and compared. */
    readonly form: Form,
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
  /** When it is to expire, in ms since 1970 by the target's clock; negative: never. */
  expires(index: number): number {
    return this.#double(index, AT.expires);
  }
  /** Has it time left to live? */
  isLive(index: number, now: number): boolean {
    const expires = this.expires(index);
    return expires < 0 || expires > now;
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
    return this.to(index) - this.form.after;
  }
  /** Bytes, one latin1 character each. */
  key(index: number): string {
    const length = this.#word(index, AT.key);
    const from = this.from(index) + this.form.head.length + digits(length) + 2;
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
export function checksum(command: Buffer, moment: number): number {
  MOMENT.setFloat64(0, moment);
  return crc32(command, (MOMENT.getUint32(0) ^ MOMENT.getUint32(4)) >>> 0);
}

function digits(number: number): number {
  if (number < 10) return 1;
  if (number < 100) return 2;
  return String(number).length;
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
