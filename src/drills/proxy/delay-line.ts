import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** Hands on later what comes now, in the order in which it came. */
export class DelayLine {
  readonly #waiting: { at: number; chunk: Buffer }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly to: Socket) {
    to.once('close', () => clearTimeout(this.#timer));
  }

  /** Milliseconds; never before what came before it. */
  push(chunk: Buffer, delay: number): void {
    const last = this.#waiting.at(-1)?.at ?? 0;
    this.#waiting.push({ at: Math.max(last, performance.now() + Math.max(0, delay)), chunk });
    if (!this.#timer) this.#send();
  }

  /** All of it, now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { chunk } of this.#waiting.splice(0)) this.to.write(chunk);
  }

  #send(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let [next] = this.#waiting; next && next.at <= now; [next] = this.#waiting) {
      this.to.write(next.chunk);
      this.#waiting.shift();
    }
    const [next] = this.#waiting;
    // A timer may fire a little early.
    if (next) this.#timer = setTimeout(() => this.#send(), Math.max(1, Math.ceil(next.at - now)));
  }
}
