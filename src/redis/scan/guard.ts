import type { Channel } from '../channel.js';
import { ReplyError } from '../resp.js';
import type { Pace } from './pace.js';
import { readState, type ServerState, trouble } from './server.js';
import type { EndReason, Missing } from './types.js';

/** Milliseconds between two round trips beside the scan, and between two looks at the server's state. */
const PING_EVERY = 25;
const LOOK_EVERY = 1_000;
const IDLE_SAMPLES = 7;

/**
 * The second connection of a scan: it measures what other clients of the server wait for, and looks every
 * second whether the server is still what it was.
 */
export class Guard {
  /** Median round trip before the scan in ms; null when nothing can be timed. */
  idle: number | null = null;
  /** Least and most keys of the database since it was emptied; empty where DBSIZE is not permitted. */
  sizes: number[] = [];
  #probe: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #began = performance.now();
  #looked = performance.now();

  constructor(
    private readonly channel: Channel,
    private readonly pace: Pace,
    private readonly before: ServerState,
    private readonly cluster: boolean,
  ) {}

  /** Measures the idle round trip, by DBSIZE, which costs no more than PING and tells more. */
  async measure(missing: Missing[]): Promise<number> {
    for (const probe of ['DBSIZE', 'PING']) {
      if ((await this.channel.send(probe)) instanceof ReplyError) continue;
      this.#probe = probe;
      break;
    }
    const times: number[] = [];
    for (let index = 0; index < IDLE_SAMPLES; index += 1)
      times.push(await this.#time(this.#probe ?? 'PING'));
    const [median] = times.toSorted((a, b) => a - b).slice(IDLE_SAMPLES >> 1) as [number];
    if (this.#probe) this.idle = median;
    else
      missing.push({
        command: 'DBSIZE and PING',
        why: 'not permitted',
        instead: 'the latency of others is not watched',
      });
    return median;
  }

  /** `onTrouble` is called when the scan must not go on; `onTick` after each round trip. */
  watch(
    onTrouble: (reason: EndReason, detail: string) => void,
    onTick: () => void,
    onLost: (error: Error) => void,
  ): void {
    this.#began = performance.now();
    const round = async () => {
      try {
        if (this.#probe) await this.#observe(this.#probe);
        const found = await this.#look();
        if (this.#ended) return;
        onTick();
        if (found) return onTrouble(found.reason, found.detail);
        this.#timer = setTimeout(round, PING_EVERY);
      } catch (error) {
        if (!this.#ended) onLost(error as Error);
      }
    };
    this.#timer = setTimeout(round, PING_EVERY);
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #observe(probe: string): Promise<void> {
    const loop = performance.eventLoopUtilization();
    const took = await this.#time(probe);
    // While this process itself had no idle moment, the delay may be its own; then it is no load either.
    const { utilization } = performance.eventLoopUtilization(loop);
    if (utilization < BUSY) this.pace.observe(took);
  }

  async #time(probe: string): Promise<number> {
    const start = performance.now();
    const reply = await this.channel.send(probe);
    if (typeof reply === 'number')
      this.sizes = [Math.min(reply, ...this.sizes), Math.max(reply, ...this.sizes)];
    return performance.now() - start;
  }

  async #look() {
    const now = performance.now();
    if (now - this.#looked < LOOK_EVERY || this.before.by === undefined) return undefined;
    this.#looked = now;
    const state = await readState(this.channel, this.cluster, this.before.by);
    return trouble(this.before, state, (now - this.#began) / 1_000);
  }
}

const BUSY = 0.95;
