import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Application,
  type HealthAnswer,
  readHealth,
  readKey,
  writeKey,
} from '../applications/client.js';

export const PERIOD = 100;
/** A direct ping of the target, apart from what the application says. */
const PING_PERIOD = 25;

/** One request, or one direct ping. `at` is when it was answered, in ms since the drill began. */
export interface Sample {
  at: number;
  /** The application; the target's own name for a direct ping. */
  of: string;
  kind: 'health' | 'write' | 'read' | 'ping';
  ok: boolean;
  ms: number;
  mode?: HealthAnswer['mode'];
  status?: number;
  error?: string;
}

/**
 * Asks every application for its health and has it write and read, all the time, and pings the
 * target itself. Each application has its own pace: a slow one does not thin out the others.
 */
export class Observer {
  readonly samples: Sample[] = [];
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[];
  #count = 0;

  constructor(
    private readonly id: string,
    private readonly applications: readonly Application[],
    ping: () => Promise<boolean>,
    private readonly timeout: number,
    private readonly start: number,
  ) {
    this.#loops = [
      this.#every(PING_PERIOD, () => this.#ping(ping)),
      ...applications.flatMap((application) => [
        this.#every(PERIOD, () => this.#health(application)),
        this.#every(PERIOD, () => this.#roundTrip(application)),
      ]),
    ];
  }

  /** Milliseconds since the drill began. */
  get now(): number {
    return performance.now() - this.start;
  }

  /** The mode that every application says it is in; undefined while they differ or nobody answers. */
  mode(): HealthAnswer['mode'] | undefined {
    const last = new Map<string, HealthAnswer['mode']>();
    for (const { kind, of, mode } of this.samples)
      if (kind === 'health' && mode) last.set(of, mode);
    const modes = new Set(last.values());
    return modes.size === 1 ? [...modes][0] : undefined;
  }

  /** Whether every application has answered a write or read that it was asked for since `moment`. */
  hasServed(moment: number): boolean {
    return this.applications.every(({ name }) =>
      this.samples.some(
        ({ of, kind, at, ms }) =>
          of === name && (kind === 'write' || kind === 'read') && at - ms >= moment,
      ),
    );
  }

  /** Whether the target has once not answered a direct ping. */
  get sawOutage(): boolean {
    return this.samples.some(({ kind, ok }) => kind === 'ping' && !ok);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  async #every(period: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const next = performance.now() + period;
      await work();
      await sleep(Math.max(0, next - performance.now()), undefined, { signal }).catch(() => {});
    }
  }

  #take(sample: Omit<Sample, 'at'>): void {
    // What ends because the observation ends says nothing about the application.
    if (!this.#stop.signal.aborted) this.samples.push({ at: this.now, ...sample });
  }

  async #ping(ping: () => Promise<boolean>): Promise<void> {
    const start = performance.now();
    const ok = await ping();
    this.#take({ of: 'target', kind: 'ping', ok, ms: performance.now() - start });
  }

  async #health(application: Application): Promise<void> {
    this.#take({
      of: application.name,
      kind: 'health',
      ...(await readHealth(application, this.#limits)),
    });
  }

  async #roundTrip(application: Application): Promise<void> {
    this.#count += 1;
    const key = `drill-${this.id}-${this.#count}`;
    const written = await writeKey(application, key, key, this.#limits);
    this.#take({ of: application.name, kind: 'write', ...written });
    if (!written.ok) return;
    this.#take({
      of: application.name,
      kind: 'read',
      ...(await readKey(application, key, key, this.#limits)),
    });
  }

  get #limits() {
    return { timeout: this.timeout, signal: this.#stop.signal };
  }
}
