import { idStart } from '../memory/tally/segment.js';
import { fromBytes } from './names.js';

/** Keys that are alike but for their ids: `asl:llm:{id}`. */
export interface Shape {
  pattern: string;
  keys: number;
  /** Null when no size of theirs is known. */
  bytes: number | null;
  /** One of them, as bytes. */
  example: string;
}

/** Parts of a name beyond this are left out of its shape: a key may be a megabyte long. */
const DEEPEST = 8;
const LONGEST = 40;

/** The parts of a key's name between colons, ids and hashes collapsed to `{id}` as in memory reports. */
export function shapeOf(key: string): string {
  // Enough for all parts that count; a name is cut before it is taken apart.
  const parts = key.slice(0, DEEPEST * 256).split(':');
  const { text } = fromBytes(parts.slice(0, DEEPEST).map(collapse).join(':'));
  return parts.length > DEEPEST ? `${text}:...` : text;
}

function collapse(part: string): string {
  if (part.length > LONGEST) return '{id}';
  const id = idStart(part, 0, part.length);
  return id < 0 ? part : `${part.slice(0, id)}{id}`;
}

/** Counts keys by their shapes; of any number of keys only so many groups are held. */
export class Shapes {
  #groups = new Map<string, Shape>();
  /** Beginnings under which there were too many: they are one group. */
  readonly #merged = new Set<string>();

  constructor(private readonly limit = 200) {}

  add(key: string, bytes: number | null): void {
    this.#put({ pattern: this.#place(shapeOf(key)), keys: 1, bytes, example: key });
    while (this.#groups.size > this.limit) this.#merge();
  }

  /** Those with the most keys first. */
  list(): Shape[] {
    return [...this.#groups.values()].sort((a, b) => b.keys - a.keys);
  }

  #place(pattern: string): string {
    for (let colon = pattern.indexOf(':'); colon >= 0; colon = pattern.indexOf(':', colon + 1)) {
      const start = pattern.slice(0, colon + 1);
      if (this.#merged.has(start)) return `${start}*`;
    }
    return this.#merged.has('') ? '*' : pattern;
  }

  #put(shape: Shape): void {
    const group = this.#groups.get(shape.pattern);
    if (!group) {
      this.#groups.set(shape.pattern, shape);
      return;
    }
    group.keys += shape.keys;
    if (shape.bytes !== null) group.bytes = (group.bytes ?? 0) + shape.bytes;
  }

  /** Makes one group of those that begin alike, where there are most of them. */
  #merge(): void {
    const counts = new Map<string, number>();
    for (const pattern of this.#groups.keys()) {
      const start = startOf(pattern);
      counts.set(start, (counts.get(start) ?? 0) + 1);
    }
    const [most = ''] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
    // Where no two begin alike, all of them are one.
    this.#merged.add((counts.get(most) ?? 0) > 1 ? most : '');
    const before = this.#groups;
    this.#groups = new Map();
    for (const shape of before.values())
      this.#put({ ...shape, pattern: this.#place(shape.pattern) });
  }
}

/** What stands before the last part: `asl:llm:` of `asl:llm:{id}`; of `asl:*` it is nothing. */
function startOf(pattern: string): string {
  const whole = pattern.endsWith(':*') ? pattern.slice(0, -2) : pattern;
  return whole.slice(0, whole.lastIndexOf(':') + 1);
}
