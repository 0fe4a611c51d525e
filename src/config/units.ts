import { CacheOpsError } from '../errors.js';

const DURATION = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3, tb: 1024 ** 4 } as const;

/** `500ms`, `2s`, `1.5h`; a bare number is milliseconds. Returns undefined when it is none of these. */
export function duration(text: string): number | undefined {
  return scaled(text, DURATION, 'ms');
}

/** `256mb`, `10kb` in binary units as redis.conf has them; a bare number is bytes. */
export function size(text: string): number | undefined {
  return scaled(text, SIZE, 'b');
}

function scaled<U extends string>(
  text: string,
  units: Record<U, number>,
  bare: U,
): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (!match) return undefined;
  const unit = (match[2]?.toLowerCase() || bare) as U;
  return Object.hasOwn(units, unit) ? Math.round(Number(match[1]) * units[unit]) : undefined;
}

/** A duration given by flag `name`, in milliseconds; a usage error otherwise. */
export function parseDuration(text: string, name: string): number {
  const value = duration(text);
  if (value === undefined) {
    throw new CacheOpsError(
      'usage',
      `${name}: "${text}" is not a duration`,
      'write it as 500ms, 2s, 5m, 1h or 1d',
    );
  }
  return value;
}

/** A whole number of at least `min` given by flag `name`; a usage error otherwise. */
export function parseCount(text: string, name: string, min = 1): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || !Number.isSafeInteger(value)) {
    throw new CacheOpsError('usage', `${name}: "${text}" is not a whole number of at least ${min}`);
  }
  return value;
}
