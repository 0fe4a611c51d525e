// biome-ignore lint/style/noRestrictedImports: a clock is not a way to the process.
import { hrtime } from 'node:process';

/**
 * Milliseconds of a clock that never jumps. What every command loads asks this one and not
 * `performance.now()`: the module of that costs a start two milliseconds.
 */
export function monotonic(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
