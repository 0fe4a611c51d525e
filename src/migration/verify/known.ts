import { hashOf } from '../plan/chunk.js';
import { PlanReader } from '../plan/reader.js';

/** The keys of a reading, as two hashes each: 12 bytes an entry. */
export class KnownKeys {
  readonly #hashes: Uint32Array;
  readonly #checks: Uint32Array;
  /** 0 free, 1 a key, 2 a marked one. */
  readonly #used: Uint8Array;
  readonly #mask: number;

  constructor(folder: string) {
    const reader = new PlanReader(folder);
    try {
      const size = 2 ** Math.ceil(Math.log2(Math.max(16, reader.count * 1.5)));
      this.#hashes = new Uint32Array(size);
      this.#checks = new Uint32Array(size);
      this.#used = new Uint8Array(size);
      this.#mask = size - 1;
      for (let first = 0; first < reader.count; first += 16_384) {
        const records = reader.records(first, 16_384);
        for (let index = 0; index < (records?.count ?? 0); index += 1)
          if (records) this.#add(records.hash(index), records.check(index));
      }
    } finally {
      reader.close();
    }
  }

  has(key: string): boolean {
    const [hash, check] = hashOf(key);
    return this.#used[this.#slot(hash, check)] !== 0;
  }

  /** Marks one of these keys. */
  mark(key: string): void {
    const [hash, check] = hashOf(key);
    this.#used[this.#slot(hash, check)] = 2;
  }

  isMarked(key: string): boolean {
    const [hash, check] = hashOf(key);
    return this.#used[this.#slot(hash, check)] === 2;
  }

  /** How many keys of these the others do not have. */
  notIn(others: KnownKeys): number {
    let count = 0;
    for (let slot = 0; slot < this.#used.length; slot += 1) {
      if (this.#used[slot] === 0) continue;
      const other = others.#slot(this.#hashes[slot] as number, this.#checks[slot] as number);
      if (others.#used[other] === 0) count += 1;
    }
    return count;
  }

  #add(hash: number, check: number): void {
    const slot = this.#slot(hash, check);
    this.#hashes[slot] = hash;
    this.#checks[slot] = check;
    this.#used[slot] = 1;
  }

  #slot(hash: number, check: number): number {
    let slot = hash & this.#mask;
    while (this.#used[slot] !== 0 && (this.#hashes[slot] !== hash || this.#checks[slot] !== check))
      slot = (slot + 1) & this.#mask;
    return slot;
  }
}
