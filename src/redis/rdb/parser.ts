import { emptyFact, type KeySink } from '../key-fact.js';
import { CorruptError, Cursor, hex, SHORT } from './cursor.js';
import { readHeader } from './header.js';
import { type About, Opcode, recordReaders } from './records.js';
import { type Quantum, SIZE, sizesOf } from './sizes.js';
import { type Magic, valueReaders } from './types.js';
import { FORMS, type ReadValue, Value } from './value.js';

/** One database of the file. */
export interface RdbDatabase {
  db: number;
  keys: number;
  /** Keys with a time to live. */
  expires: number;
  /** How many of each the server said there would be; null where it said nothing. */
  announced: { keys: number; expires: number } | null;
}

/** How many keys have this type and encoding, and their memory. */
export interface RdbEncoding {
  type: string;
  encoding: string;
  keys: number;
  bytes: number;
}

/**
 * Turns bytes into key facts. `run()` reads as far as the cursor's bytes go; the values of a key may come
 * in any number of pieces, a key itself and each element's length must be together.
 */
export class Parser implements About {
  readonly cursor = new Cursor();
  readonly aux = new Map<string, string>();
  readonly modules = new Set<string>();
  functions = 0;
  magic: Magic | null = null;
  version: number | null = null;
  keys = 0;
  readonly databases: RdbDatabase[] = [];
  /** Where the end mark ends: what comes before is summed up. Infinite until it has been read. */
  endOffset = Number.POSITIVE_INFINITY;
  /** The sum as it stands behind the end mark, 16 hexadecimal digits: then the file has been read. */
  sum: string | undefined;

  readonly #value: Value;
  #readers: (ReadValue | undefined)[] = [];
  #records: (ReadValue | undefined)[] = [];
  /** A value or record that is being read. */
  #reading: ReadValue | undefined;
  /** It has been read, perhaps beyond the bytes at hand. */
  #passed = false;
  #isKey = false;
  /** Where the current key or record begins, and what it is. */
  #began = 0;
  #opcode = 0;
  #keyLength = 0;
  #database: RdbDatabase | undefined;
  #expires: number | null = null;
  /** The moment that times to live are counted from, in ms. */
  #moment: number;
  readonly #formKeys: number[] = [];
  readonly #formBytes: number[] = [];
  readonly #fact = emptyFact();

  /** `now`: what times to live are counted from when the file does not say when it was written, in ms. */
  constructor(
    private readonly sink: KeySink,
    { now, quantum }: { now: number; quantum: Quantum },
  ) {
    this.#value = new Value(sizesOf(quantum));
    this.#moment = now;
  }

  /** When the file was written, in ms; without that, `now`. */
  get moment(): number {
    return this.#moment;
  }

  get encodings(): RdbEncoding[] {
    return FORMS.flatMap(({ index, type, encoding }) => {
      const keys = this.#formKeys[index];
      return keys ? [{ type, encoding, keys, bytes: this.#formBytes[index] as number }] : [];
    });
  }

  /** What is being read and where it begins: said when the file ends before it does. */
  get unfinished(): string {
    const { type } = this.#value.form ?? {};
    if (this.magic === null) return 'the beginning of an RDB file';
    if (this.endOffset !== Number.POSITIVE_INFINITY) return 'the 8 bytes of the sum';
    if (!this.#reading) return 'a key or the end mark';
    const what = this.#isKey ? `the ${type ?? 'value'} of a key` : `record ${hex(this.#opcode)}`;
    return `the rest of ${what} that begins at ${this.#began}`;
  }

  /** Reads what is there. Throws CorruptError. */
  run(): void {
    const { cursor } = this;
    try {
      while (this.sum === undefined) {
        if (this.#reading) this.#finish(this.#reading);
        else if (this.endOffset === cursor.offset) this.#sum();
        else this.#next();
        cursor.commit();
      }
    } catch (error) {
      if (error !== SHORT) throw error;
      cursor.at = cursor.mark;
    }
  }

  #sum(): void {
    const { cursor } = this;
    cursor.ensure(8);
    this.sum = cursor.bytes.readBigUInt64LE(cursor.at).toString(16).padStart(16, '0');
    cursor.skip(8);
  }

  #finish(read: ReadValue): void {
    if (!this.#passed) read(this.cursor, this.#value);
    this.#passed = true;
    this.cursor.commit();
    // What was passed over must be there: a value that the end has cut is none.
    this.cursor.ensure(0);
    this.#reading = undefined;
    if (this.#isKey) this.#add();
  }

  #next(): void {
    const { cursor } = this;
    if (this.magic === null) {
      this.#header();
      return;
    }
    const began = cursor.offset;
    const opcode = cursor.byte();
    const read = this.#readers[opcode];
    if (read) {
      this.#fact.key = cursor.string();
      this.#keyLength = cursor.stringLength;
      this.#begin(opcode, began, read, true);
      return;
    }
    const record = this.#records[opcode];
    if (record) this.#begin(opcode, began, record, false);
    else this.#single(opcode, began);
  }

  #begin(opcode: number, began: number, read: ReadValue, isKey: boolean): void {
    this.#value.begin();
    this.#opcode = opcode;
    this.#began = began;
    this.#reading = read;
    this.#passed = false;
    this.#isKey = isKey;
  }

  /** A record of one unit: what comes before keys or databases. */
  #single(opcode: number, began: number): void {
    const { cursor } = this;
    switch (opcode) {
      case Opcode.expireMs:
        this.#expires = cursor.i64();
        return;
      case Opcode.expire:
        this.#expires = cursor.u32() * 1_000;
        return;
      case Opcode.idle:
        this.#fact.idle_s = cursor.length();
        return;
      case Opcode.frequency:
        this.#fact.frequency = cursor.byte();
        return;
      case Opcode.selectDb:
        this.#select(cursor.length());
        return;
      case Opcode.resizeDb: {
        const announced = { keys: cursor.length(), expires: cursor.length() };
        this.#current().announced = announced;
        return;
      }
      case Opcode.end:
        this.endOffset = cursor.offset;
        return;
      default:
        cursor.corrupt(
          `a type or opcode of ${this.magic} RDB ${this.version}`,
          `${hex(opcode)} (${opcode})`,
          began,
        );
    }
  }

  #header(): void {
    const { magic, version } = readHeader(this.cursor);
    this.magic = magic;
    this.version = version;
    this.#readers = valueReaders(magic, version);
    this.#records = recordReaders(this, magic === 'VALKEY');
  }

  #current(): RdbDatabase {
    return this.#database ?? this.#select(0);
  }

  #select(db: number): RdbDatabase {
    const known = this.databases.find((database) => database.db === db);
    const database = known ?? { db, keys: 0, expires: 0, announced: null };
    if (!known) this.databases.push(database);
    this.#database = database;
    this.#fact.db = db;
    // The fields that say when the file was written come before the first database.
    const written = Number(this.aux.get('ctime'));
    if (written > 0) this.#moment = written * 1_000;
    return database;
  }

  #add(): void {
    const value = this.#value;
    const fact = this.#fact;
    const { form } = value;
    if (!form) throw new CorruptError(this.#began, 'a value', 'none');
    const database = this.#current();
    fact.type = value.typeName ?? form.type;
    fact.encoding = form.encoding;
    fact.elements = value.elements;
    fact.bytes = value.bytes + SIZE.dictEntry + value.sizes.sds(this.#keyLength);
    fact.ttl_ms = null;
    if (this.#expires !== null) {
      fact.ttl_ms = Math.max(this.#expires - this.#moment, 0);
      database.expires += 1;
    }
    database.keys += 1;
    this.keys += 1;
    this.#formKeys[form.index] = (this.#formKeys[form.index] ?? 0) + 1;
    this.#formBytes[form.index] = (this.#formBytes[form.index] ?? 0) + fact.bytes;
    this.sink.add(fact);
    this.#expires = null;
    fact.idle_s = null;
    fact.frequency = null;
  }
}
