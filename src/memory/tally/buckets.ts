/** Keys and bytes by classes with fixed bounds. */
export class Buckets {
  readonly keys: number[];
  readonly bytes: number[];

  constructor(classes: number) {
    this.keys = Array<number>(classes).fill(0);
    this.bytes = Array<number>(classes).fill(0);
  }

  add(at: number, bytes: number): void {
    this.keys[at] = (this.keys[at] as number) + 1;
    this.bytes[at] = (this.bytes[at] as number) + bytes;
  }

  merge({ keys, bytes }: Pick<Buckets, 'keys' | 'bytes'>): this {
    for (const [at, more] of keys.entries()) this.keys[at] = (this.keys[at] ?? 0) + more;
    for (const [at, more] of bytes.entries()) this.bytes[at] = (this.bytes[at] ?? 0) + more;
    return this;
  }
}

/** Sizes by powers of four: up to 64 B, 256 B, 1 KB ... 1 TB; a value may have 512 MB. */
export const SIZE_BOUNDS = Array.from({ length: 18 }, (_, power) => 64 * 4 ** power);

export function sizeClass(bytes: number): number {
  if (bytes <= 64) return 0;
  // Half of the bits above the sixth; bitwise operators take 32 of them.
  if (bytes <= 2 ** 31) return (27 - Math.clz32(bytes - 1)) >> 1;
  const at = SIZE_BOUNDS.findIndex((bound) => bytes <= bound);
  return at < 0 ? SIZE_BOUNDS.length - 1 : at;
}

const DAY = 86_400_000;
/** Times to live; the last but one is everything longer, the last is "never expires". */
export const TTL_BOUNDS = [
  60_000,
  DAY / 24,
  DAY,
  7 * DAY,
  30 * DAY,
  Number.MAX_SAFE_INTEGER,
  null,
] as const;

export function ttlClass(ttl: number | null): number {
  if (ttl === null) return 6;
  if (ttl <= DAY / 24) return ttl <= 60_000 ? 0 : 1;
  if (ttl <= 7 * DAY) return ttl <= DAY ? 2 : 3;
  return ttl <= 30 * DAY ? 4 : 5;
}
