import type { PaceOptions } from './types.js';

/** Slices of work below a duty of 1 are this long, in ms: what others wait for is shorter than that. */
const SLICE = 2;
/** Writes under way at full speed, and more of them for each ms of round trip. */
const AT_ONCE = 4;
const AT_ONCE_PER_MS = 14;
const AT_ONCE_IN_SLICE = 4;
/** The longest rest after a round trip that was too long, in ms. */
const LONGEST_REST = 1_000;
/** Excesses that are looked at together: one long round trip may be chance, or our own process. */
const SAMPLES = 3;

/**
 * How much of a server may be used now. Writes are made while `allows(pending)`; `onOpen` is called when
 * they may be sent again. Fewer at once, and rests, where other clients would wait too long; more again
 * step by step where they do not.
 */
export class Pace {
  onOpen = () => {};
  /** Times that it slowed down. */
  slowed = 0;
  worst = 0;
  readonly #options: PaceOptions;
  #widest = 1;
  #width = 1;
  #excess: number[] = [];
  #rest: NodeJS.Timeout | undefined;
  #sliceBegan: number | undefined;
  #idle = 0;
  /** The round trip while nothing of ours is under way: others may make the server slow, too. */
  #withoutUs = 0;
  #resting = 0;

  constructor(options: Partial<PaceOptions> = {}) {
    this.#options = { maxLatencyMs: 5, duty: 1, ...options };
  }

  /** `idle` is the round trip before the scan in ms: the longer, the more must be under way. */
  begin(idle: number): void {
    this.#idle = idle;
    this.#withoutUs = Math.max(idle, this.#withoutUs);
    this.#widest =
      this.#options.duty < 1 ? AT_ONCE_IN_SLICE : AT_ONCE + Math.floor(idle * AT_ONCE_PER_MS);
    this.#width = this.#widest;
  }

  get isSlowed(): boolean {
    return this.#width < this.#widest || this.#rest !== undefined;
  }

  /** Whether another write may be sent while this many are not answered. */
  allows(pending: number): boolean {
    if (this.#rest !== undefined) return false;
    if (this.#options.duty >= 1) return pending < this.#width;
    const now = performance.now();
    this.#sliceBegan ??= now;
    return now - this.#sliceBegan < SLICE && pending < this.#width;
  }

  /** Nothing is awaited any more: the end of a slice, after which the server has its time to itself. */
  drained(): void {
    const { duty } = this.#options;
    if (duty >= 1 || this.#sliceBegan === undefined) return;
    // The way there and back is nobody's work.
    const worked = Math.max(performance.now() - this.#sliceBegan - this.#idle, 0.1);
    this.#sliceBegan = undefined;
    this.#pause(worked / duty - worked);
  }

  /** A round trip beside the scan took so many ms. */
  observe(took: number): void {
    this.worst = Math.max(this.worst, took - this.#idle);
    const { maxLatencyMs } = this.#options;
    if (maxLatencyMs === null) return;
    if (this.#rest !== undefined) {
      this.#resting += 1;
      // What is still under way when a rest begins may delay the first.
      if (this.#resting > 1) this.#withoutUs += (took - this.#withoutUs) / 2;
      return;
    }
    this.#withoutUs = Math.max(this.#idle, Math.min(this.#withoutUs, took));
    this.#excess.push(took - this.#withoutUs);
    if (this.#excess.length < SAMPLES) return;
    const [, middle] = this.#excess.toSorted((a, b) => a - b) as [number, number];
    this.#excess.shift();
    if (middle <= maxLatencyMs) {
      this.#width = Math.min(this.#widest, this.#width + Math.max(1, this.#width / 8));
      return;
    }
    this.slowed += 1;
    this.#excess = [];
    this.#width = Math.max(1, Math.floor(this.#width / 2));
    this.#pause(Math.min(4 * middle, LONGEST_REST));
  }

  end(): void {
    clearTimeout(this.#rest);
    this.onOpen = () => {};
  }

  #pause(ms: number): void {
    clearTimeout(this.#rest);
    this.#resting = 0;
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      this.onOpen();
    }, ms);
  }
}
