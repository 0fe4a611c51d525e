import type { Config } from '../config/load.js';
import { toBytes } from '../keys/names.js';

/** `{prefix}:{env}:`, which every key of the applications begins with, as bytes. */
export function applicationPrefix({ keys, environment }: Config): string {
  return toBytes(`${keys.prefix}:${keys.environment ?? environment}:`);
}

/** Text that a Redis glob takes literally. */
export function literal(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, '\\$&');
}

/** The name of a lock or execution from its key: what follows `before`, without the hash tag. */
export function nameOf(key: string, before: string): string {
  return key.slice(before.length).replace(/^([^{}]*)\{([^{}]*)\}$/, '$1$2');
}
