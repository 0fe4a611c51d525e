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
  let at = 0;
  while (bytes > (SIZE_BOUNDS[at] ?? Number.POSITIVE_INFINITY)) at += 1;
  return Math.min(at, SIZE_BOUNDS.length - 1);
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
  if (ttl === null) return TTL_BOUNDS.length - 1;
  let at = 0;
  while (ttl > (TTL_BOUNDS[at] as number)) at += 1;
  return at;
}
