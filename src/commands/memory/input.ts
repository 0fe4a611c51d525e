import { isAbsolute, join } from 'node:path';
import type { Context } from '../../context.js';

/** A file's path, or the bytes of stdin for `-`. */
export function inputOf(context: Context, file: string): string | AsyncIterable<Uint8Array> {
  if (file !== '-') return isAbsolute(file) ? file : join(context.cwd, file);
  return context.stdin() as AsyncIterable<Uint8Array>;
}
