import type { KeyFact } from '../../redis/key-fact.js';

/** A key that is kept by itself. What is null may be filled in later. */
export interface KeptKey extends KeyFact {
  server: string;
}

/** The largest keys, at most so many, in a heap with the smallest of them on top. */
export class Top {
  #heap: KeptKey[] = [];
  /** A key of fewer bytes is none of the largest. */
  least = 0;

  constructor(readonly most: number) {}

  /** To be asked before a copy is made: most keys are not among the largest. */
  takes(bytes: number, key: string): boolean {
    if (this.#heap.length < this.most) return this.most > 0;
    if (bytes !== this.least) return bytes > this.least;
    // Of equal size the first by name, whatever order they come in.
    return key < (this.#heap[0] as KeptKey).key;
  }

  add(key: KeptKey): void {
    if (!this.takes(key.bytes, key.key)) return;
    const heap = this.#heap;
    if (heap.length < this.most) {
      heap.push(key);
      this.#rise(heap.length - 1);
    } else {
      heap[0] = key;
      this.#sink();
    }
    this.least = heap.length === this.most ? (heap[0] as KeptKey).bytes : 0;
  }

  /** The largest first. */
  sorted(): KeptKey[] {
    return [...this.#heap].sort((a, b) => order(b, a));
  }

  #rise(from: number): void {
    const heap = this.#heap;
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (order(heap[at] as KeptKey, heap[parent] as KeptKey) >= 0) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        const key = heap[child];
        if (key && order(key, heap[least] as KeptKey) < 0) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    [heap[a], heap[b]] = [heap[b] as KeptKey, heap[a] as KeptKey];
  }
}

/** Negative when `a` is to go before `b` is. */
function order(a: KeptKey, b: KeptKey): number {
  if (a.bytes !== b.bytes) return a.bytes - b.bytes;
  if (a.key !== b.key) return a.key < b.key ? 1 : -1;
  return b.db - a.db || (a.server < b.server ? 1 : -1);
}
