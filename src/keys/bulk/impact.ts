import type { Masters } from '../masters.js';
import { Shapes } from '../shapes.js';
import type { Select, Selection } from './select.js';

/** Keys that are alike, or of one rule, and what they take. */
export interface Group {
  pattern: string;
  keys: number;
  bytes: number | null;
  example: string;
  /** The time to live that they would get; null where they would be removed. */
  ttl_ms: number | null;
}

export interface Impact extends Selection {
  keys: number;
  /** An estimate by samples; null where the server does not say. */
  bytes: number | null;
  groups: Group[];
}

/** What a change would touch. Reads only, and leaves no file. */
export async function impactOf(
  masters: Masters,
  select: Select,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (keys: number) => void },
): Promise<Impact> {
  const shapes = new Shapes();
  const rules = new Map<string, Group>();
  let total = 0;
  let size: number | null = null;
  const selection = await select(masters, { sizes: true, signal }, (_, keys) => {
    for (const { key, bytes, ttl_ms, rule } of keys) {
      total += 1;
      if (bytes !== null) size = (size ?? 0) + bytes;
      if (rule === null) {
        shapes.add(key, bytes);
        continue;
      }
      const group = rules.get(rule) ?? {
        pattern: rule,
        keys: 0,
        bytes: null,
        example: key,
        ttl_ms,
      };
      rules.set(rule, group);
      group.keys += 1;
      if (bytes !== null) group.bytes = (group.bytes ?? 0) + bytes;
    }
    onProgress(total);
  });
  const groups = [...shapes.list().map((shape) => ({ ...shape, ttl_ms: null })), ...rules.values()];
  return { ...selection, keys: total, bytes: size, groups };
}
