import type { Redis } from 'ioredis';
import { createClient, failureClass, type RedisAddress } from './client.js';
import { withDeadline } from './deadline.js';

export type Mode = 'redis' | 'memory';

/** A store that took writes while Redis was away and hands them over before Redis is used again. */
export interface Outlet {
  /** Hands over what is pending now; rejects when Redis fails, and keeps what was not taken. */
  replay(client: Redis): Promise<void>;
  /** Whether the rest is little enough for `handOver`. */
  ready(): boolean;
  /** Sends the rest before it returns, and rejects if Redis has not taken it. */
  handOver(client: Redis): Promise<void>;
}

export interface LinkStatus {
  status: 'up' | 'down';
  /** When that began, ISO. */
  since: string;
  /** The last failure: a class, never a message. */
  last_error?: { class: string; at: string };
}

export interface LinkOptions {
  address: RedisAddress;
  /** A key of our own that a probe may write; it expires by itself. */
  probeKey: string;
  /** Mean pause between probes, in milliseconds; each is drawn from +-25 % of it. */
  probeMs?: number;
  timeoutMs?: number;
}

/** A return that fails within this time was a false start, in milliseconds. */
const RELAPSE_MS = 5_000;
/** Good probes in a row that are asked for at most: five seconds of them. */
const MAX_PROOFS = 25;
const PROBE_TTL_MS = 5_000;

/** The operation did not reach Redis, or Redis failed it; the link is in memory mode. */
export class RedisAwayError extends Error {
  override readonly name = 'RedisAwayError';
}

/** The key holds a value of another kind, which somebody else has put there. */
export class ForeignValueError extends Error {
  override readonly name = 'ForeignValueError';
}

const isForeign = (error: unknown) =>
  error instanceof Error && /^WRONGTYPE|value is not an integer/.test(error.message);

/**
 * The service's one connection to Redis and the decision whether to use it. The first failure of a
 * command, of the connection or of the heartbeat ends redis mode for every store at once. From then
 * on a single probe in the background looks after Redis, and no request waits for it.
 */
export class RedisLink {
  readonly client: Redis;
  readonly #options: Required<LinkOptions>;
  readonly #outlets: Outlet[] = [];
  #mode: Mode = 'memory';
  #since = new Date();
  #lastError: LinkStatus['last_error'];
  /** Counts outages, so that a late failure of an operation begun before one starts no second one. */
  #outages = 0;
  #usedAt = 0;
  #returnedAt = Number.NEGATIVE_INFINITY;
  #proofsNeeded = 1;
  #proofs = 0;
  #timer: NodeJS.Timeout | undefined;
  #probing: Promise<void> | undefined;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = { probeMs: 200, timeoutMs: 300, ...options };
    this.client = createClient(options.address);
    this.client.on('error', (error) => this.#note(error));
    this.client.on('close', () => this.fail(new Error('connection closed')));
    this.client.on('ready', () => this.#schedule(0));
  }

  get mode(): Mode {
    return this.#mode;
  }

  status(): LinkStatus {
    return {
      status: this.#mode === 'redis' ? 'up' : 'down',
      since: this.#since.toISOString(),
      ...(this.#lastError && { last_error: this.#lastError }),
    };
  }

  attach(outlet: Outlet): void {
    this.#outlets.push(outlet);
  }

  /** Begins to connect; resolves when redis mode is reached, or when it evidently is not soon. */
  async start(): Promise<void> {
    const connected = this.client.connect().catch(() => undefined);
    await withDeadline(connected, this.#options.timeoutMs).catch((error) => this.#note(error));
    await this.#probe();
    this.#schedule();
  }

  /**
   * Runs an operation on Redis. Rejects with RedisAwayError, in memory mode at once; an operation
   * that fails switches to memory mode first. Each command must have its own deadline. A key that holds
   * something else is no outage: ForeignValueError.
   */
  async run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#mode === 'memory') throw new RedisAwayError('in memory mode');
    const outage = this.#outages;
    try {
      const result = await operation();
      this.#usedAt = performance.now();
      return result;
    } catch (error) {
      if (isForeign(error)) throw new ForeignValueError('the key holds something else');
      if (outage === this.#outages) this.fail(error);
      throw new RedisAwayError(failureClass(error));
    }
  }

  /** Ends redis mode. */
  fail(error: unknown): void {
    if (this.#closed) return;
    if (!(this.#lastError && failureClass(error) === 'closed' && this.#mode === 'memory'))
      this.#note(error);
    this.#proofs = 0;
    if (this.#mode === 'memory') return;
    const relapse = performance.now() - this.#returnedAt < RELAPSE_MS;
    this.#proofsNeeded = relapse ? Math.min(this.#proofsNeeded * 2, MAX_PROOFS) : 1;
    this.#outages += 1;
    this.#switch('memory');
  }

  /** Ends the connection and the probe; waits for what is under way, a fraction of a second. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.client.disconnect();
    await this.#probing;
  }

  #schedule(ms = this.#options.probeMs * (0.75 + Math.random() / 2)): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#probe().finally(() => this.#schedule());
    }, ms).unref();
  }

  /** At most one at a time, whoever asks. */
  #probe(): Promise<void> {
    this.#probing ??= (this.#mode === 'redis' ? this.#heartbeat() : this.#return())
      .catch((error) => this.fail(error))
      .finally(() => {
        this.#probing = undefined;
      });
    return this.#probing;
  }

  /** Finds a hung Redis although no request comes by; a used connection needs none. */
  async #heartbeat(): Promise<void> {
    if (performance.now() - this.#usedAt < this.#options.probeMs) return;
    await this.#within(this.client.ping());
  }

  /** Redis mode again: when Redis answers, takes a write (not LOADING, READONLY, MISCONF, OOM), and has our changes. */
  async #return(): Promise<void> {
    if (this.client.status !== 'ready') return;
    await this.#within(this.client.ping());
    await this.#within(this.client.set(this.#options.probeKey, '1', 'PX', PROBE_TTL_MS));
    this.#proofs += 1;
    if (this.#proofs < this.#proofsNeeded) return;
    do {
      for (const outlet of this.#outlets) await outlet.replay(this.client);
    } while (!this.#outlets.every((outlet) => outlet.ready()));
    if (this.#closed || this.client.status !== 'ready' || this.#proofs === 0) return;
    // Writes go on all the while, so the rest would never run dry. It is sent in the turn in which
    // the mode changes: Redis answers a connection in order, so whatever comes next comes after it.
    const rest = this.#outlets.map((outlet) => outlet.handOver(this.client));
    this.#returnedAt = performance.now();
    this.#switch('redis');
    await Promise.all(rest);
  }

  #switch(mode: Mode): void {
    this.#mode = mode;
    this.#since = new Date();
  }

  #within<T>(answer: Promise<T>): Promise<T> {
    return withDeadline(answer, this.#options.timeoutMs);
  }

  #note(error: unknown): void {
    this.#lastError = { class: failureClass(error), at: new Date().toISOString() };
  }
}
