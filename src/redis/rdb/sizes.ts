// What things weigh in a Redis 7.0 of 64 bits with jemalloc, as MEMORY USAGE adds it up: see objectComputeSize in https://github.com/redis/redis/blob/7.0/src/object.c

/** sizeof of the structures, as MEMORY USAGE counts them: without what the allocator rounds up. */
export const SIZE = {
  robj: 16,
  dict: 56,
  dictEntry: 24,
  /** One slot of a hash table. */
  pointer: 8,
  quicklist: 40,
  quicklistNode: 40,
  /** adlist.h, of Redis before 3.2. */
  list: 48,
  listNode: 24,
  zset: 16,
  skiplist: 32,
  /** The first node of a skip list has 32 levels: 536 bytes, allocated. */
  skiplistHeader: 640,
  stream: 80,
  streamGroup: 40,
  streamConsumer: 24,
  streamNack: 24,
  streamId: 16,
  /** A rax node and the 30 words that MEMORY USAGE adds for its children and values. */
  raxNode: 4 + 30 * 8,
} as const;

/**
 * The step of jemalloc's small size classes, in bytes. Distributions (Debian, Ubuntu, Fedora) link Redis
 * with the system's jemalloc, whose step is 16; the one that Redis brings (its own builds, the Docker
 * images) is built with --with-lg-quantum=3: up to a tenth less for very small values.
 */
export type Quantum = 8 | 16;

const SMALL = 4_096;

/** What allocations take. Tables answer for the small ones. */
export class Sizes {
  readonly #classes = new Uint16Array(SMALL + 1);
  /** By the length of a string. */
  readonly #strings = new Uint16Array(SMALL - 6 + 1);
  /** A node of a skip list on average. */
  readonly skiplistNode: number;

  constructor(readonly quantum: Quantum) {
    for (let bytes = 0; bytes <= SMALL; bytes += 1)
      this.#classes[bytes] = sizeClass(bytes, quantum);
    for (let length = 0; length < this.#strings.length; length += 1)
      this.#strings[length] = sizeClass(length + sdsOverhead(length), quantum);
    // 24 bytes and 16 a level; each level has a quarter of the nodes of the one below (ZSKIPLIST_P).
    let average = 0;
    for (let level = 1; level <= 32; level += 1)
      average += 0.75 * 0.25 ** (level - 1) * this.allocated(24 + 16 * level);
    this.skiplistNode = average;
  }

  /** What the allocator gives for so many bytes. */
  allocated(bytes: number): number {
    return bytes <= SMALL ? (this.#classes[bytes] as number) : sizeClass(bytes, this.quantum);
  }

  /** What an SDS string of so many bytes takes: https://github.com/redis/redis/blob/7.0/src/sds.h */
  sds(length: number): number {
    return length < this.#strings.length
      ? (this.#strings[length] as number)
      : sizeClass(length + sdsOverhead(length), this.quantum);
  }
}

const made = new Map<Quantum, Sizes>();

export function sizesOf(quantum: Quantum): Sizes {
  const sizes = made.get(quantum) ?? new Sizes(quantum);
  made.set(quantum, sizes);
  return sizes;
}

/**
 * A dictionary of so many entries, without what hangs on them: its table has a power of two of slots. When
 * it grows, every look-up moves one slot of the old table, which holds as long as it takes. It is taken to
 * have been filled and left, as most are: `lookups` are what an insertion makes (ZADD and HSET two, SADD
 * one), and about 2/3 of the slots are used. A dictionary that was loaded from a file has no old table.
 */
export function dict(entries: number, lookups: 1 | 2): number {
  let slots = 4;
  while (slots < entries) slots *= 2;
  const old = slots / 2;
  const moving = slots > 4 && entries <= old + ((2 / 3) * old) / lookups;
  return SIZE.dict + SIZE.pointer * (moving ? slots + old : slots) + SIZE.dictEntry * entries;
}

/** The header by the length, and the zero at the end. An empty string is made to be appended to. */
function sdsOverhead(length: number): number {
  if (length === 0) return 4;
  if (length < 2 ** 5) return 2;
  if (length < 2 ** 8) return 4;
  if (length < 2 ** 16) return 6;
  return length < 2 ** 32 ? 10 : 18;
}

/** 8, multiples of the quantum, then four classes to a doubling: https://jemalloc.net/jemalloc.3.html#size_classes */
function sizeClass(bytes: number, quantum: Quantum): number {
  if (bytes <= 8) return 8;
  const doubling = 2 ** Math.ceil(Math.log2(bytes));
  const step = Math.max(quantum, doubling / 8);
  return Math.ceil(bytes / step) * step;
}
