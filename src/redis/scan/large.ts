import { setTimeout as sleep } from 'node:timers/promises';
import type { Asked, Fail } from './asked.js';
import { isSampledInOrder, mayBeReckoned, type Plan } from './questions.js';
import { NIL, ShortReplies } from './replies.js';
import { command, type ReplyStream } from './stream.js';

/** Samples of a large sorted set at first, about 2 ms of a server at worst. */
const SAMPLES = 20_000;
/** A call that takes longer, in ms, is the last: the next would take twice as long. */
const LONGEST = 3;

/**
 * Asks for the sizes of large keys once more, with more samples. A call may hold the server for 20 ms, so these
 * go one at a time over all ranges, and the server has as long to itself after each.
 */
export class LargeKeys {
  /** The end of the line. */
  #line: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(
    private readonly stream: ReplyStream,
    private readonly plan: Plan,
    /** Round trip to the server in ms. */
    private readonly roundTrip: number,
    private readonly fail: Fail,
  ) {}

  stop(): void {
    this.#stopped = true;
  }

  /** Those of a batch whose size may be off. */
  among({ types, sizes, out }: Asked): number[] {
    const large: number[] = [];
    const { exact, knownType } = this.plan;
    for (let index = 0; index < sizes.length; index += 1) {
      const type = types[index] ?? knownType;
      const bytes = sizes[index] as number;
      const isOff = exact ? mayBeReckoned(type, bytes) : isSampledInOrder(type, bytes);
      if (isOff && !out.has(index)) large.push(index);
    }
    return large;
  }

  measure(asked: Asked, large: readonly number[]): Promise<unknown> {
    for (const index of large)
      this.#line = this.#line.then(async () => {
        if (this.plan.exact) await this.#ask(asked, index, 0);
        else await this.#askMore(asked, index);
      });
    return this.#line;
  }

  /** Twice as many samples each time, until that changes nothing any more or takes too long. */
  async #askMore(asked: Asked, index: number): Promise<void> {
    for (let samples = SAMPLES; ; samples *= 2) {
      const before = asked.sizes[index];
      const took = await this.#ask(asked, index, samples);
      if (took > LONGEST || asked.sizes[index] === before) return;
    }
  }

  /** Returns how long it took the server in ms, at most. */
  async #ask(asked: Asked, index: number, samples: number): Promise<number> {
    if (this.#stopped) return 0;
    const start = performance.now();
    const key = asked.batch.keys[index] as string;
    await new Promise<void>((resolve) => {
      const reader = new ShortReplies(1, ({ values, errors }) => {
        const error = errors.get(0);
        if (error) this.fail(asked, index, error);
        else if (values[0] === NIL) asked.out.set(index, 'vanished');
        else asked.sizes[index] = values[0] as number;
        resolve();
      });
      this.stream.write(command('MEMORY', 'USAGE', key, 'SAMPLES', samples), reader);
    });
    const took = Math.max(performance.now() - start - this.roundTrip, 0);
    await sleep(took);
    return took;
  }
}
