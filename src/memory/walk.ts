import { monotonic } from '../monotonic.js';
import { cutBytes, shown } from '../redis/bytes.js';
import type { Channel } from '../redis/channel.js';
import { type Element, elementsOf, type Reading } from './elements.js';
import type { Piece, WalkResult } from './key-result.js';

export interface WalkLimits {
  /** Elements; 0 for all. */
  elements: number;
  /** Milliseconds. */
  ms: number;
  /** How many of the largest are named. */
  top: number;
}

/** More than this is not carried over the network for a look. */
const MOST_BYTES = 256 * 1024 ** 2;
const PIECES = 5;
const PIECE_BYTES = 120;
const NAME_BYTES = 200;

/** Looks at the elements of a key, within limits: the largest, their sizes, and the first few. */
export async function walk(
  channel: Channel,
  type: string,
  reading: Omit<Reading, 'most'>,
  { elements, ms, top }: WalkLimits,
  signal: AbortSignal | undefined,
): Promise<{ walk: WalkResult; pieces: Piece[] }> {
  const most = elements === 0 ? Number.POSITIVE_INFINITY : elements;
  const deadline = monotonic() + ms;
  const tally = new Tally(top);
  let stopped: WalkResult['stopped'] = null;
  for await (const page of elementsOf(channel, type, { ...reading, most })) {
    signal?.throwIfAborted();
    for (const each of page.slice(0, most - tally.elements)) tally.add(each);
    if (tally.elements >= most) stopped = tally.elements < reading.elements ? 'elements' : null;
    else if (monotonic() > deadline) stopped = 'time';
    else if (tally.bytes > MOST_BYTES) stopped = 'bytes';
    if (stopped !== null || tally.elements >= most) break;
  }
  // It may have been the last step, after which nothing is left.
  if (tally.elements >= reading.elements) stopped = null;
  return { walk: { ...tally.result(), stopped }, pieces: tally.pieces };
}

class Tally {
  elements = 0;
  bytes = 0;
  readonly pieces: Piece[] = [];
  readonly #largest: Element[] = [];
  readonly #buckets = new Map<number, { elements: number; bytes: number }>();

  constructor(private readonly top: number) {}

  add(element: Element): void {
    this.elements += 1;
    this.bytes += element.bytes;
    if (this.pieces.length < PIECES) this.pieces.push(pieceOf(element.name, element.value));
    const up_to = bucketOf(element.bytes);
    const bucket = this.#buckets.get(up_to) ?? { elements: 0, bytes: 0 };
    bucket.elements += 1;
    bucket.bytes += element.bytes;
    this.#buckets.set(up_to, bucket);
    this.#rank(element);
  }

  #rank({ name, bytes }: Element): void {
    const largest = this.#largest;
    const least = largest.at(-1);
    if (largest.length >= this.top && least && bytes <= least.bytes) return;
    if (this.top === 0 || largest.some((other) => other.name === name)) return;
    // The value is not kept: of ten large ones that would be a lot of memory.
    largest.push({ name, bytes, value: null });
    largest.sort((a, b) => b.bytes - a.bytes);
    if (largest.length > this.top) largest.pop();
  }

  result(): Omit<WalkResult, 'stopped'> {
    return {
      elements: this.elements,
      bytes: this.bytes,
      average_bytes: this.elements === 0 ? 0 : Math.round(this.bytes / this.elements),
      largest: this.#largest.map(({ name, bytes }) => ({ ...named(name), bytes })),
      histogram: [...this.#buckets]
        .map(([up_to, bucket]) => ({ up_to, ...bucket }))
        .sort((a, b) => a.up_to - b.up_to),
    };
  }
}

/** Steps of four: 16, 64, 256, 1 KB, 4 KB... */
function bucketOf(bytes: number): number {
  let up_to = 16;
  while (up_to < bytes) up_to *= 4;
  return up_to;
}

function named(bytes: string): { name: string; name_base64?: string } {
  const { text, base64 } = shown(cutBytes(bytes, NAME_BYTES));
  return { name: text, ...(base64 !== undefined && { name_base64: base64 }) };
}

/** The beginning of an element, or of a string, which has no name. */
export function pieceOf(name: string | null, value: string | null, more = false): Piece {
  const start = value === null ? null : shown(cutBytes(value, PIECE_BYTES));
  return {
    ...(name === null ? { name: null } : named(name)),
    value: start?.text ?? null,
    ...(start?.base64 !== undefined && { value_base64: start.base64 }),
    cut: more || (value?.length ?? 0) > PIECE_BYTES || (name !== null && name.length > NAME_BYTES),
  };
}
