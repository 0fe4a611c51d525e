import type { Clock } from './clock.js';
import type { Notification } from './notification.js';
import type { Ledger } from './outbox-ledger.js';
import { attempt, type Outcome, type Outgoing } from './sinks/attempt.js';
import { alertsFor } from './sinks/filter.js';
import type { Standing } from './sinks/sink.js';

/** Milliseconds between attempts: doubled from the first to the longest. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 60_000;

/** How delivery to one sink stands. */
export interface LaneStatus {
  sink: string;
  waiting: number;
  /** Messages delivered by this process. */
  delivered: number;
  /** Messages that it will never get and has not been told of. */
  lost: number;
  /** ISO time of the oldest message that waits. */
  oldest: string | null;
  /** Why the last attempt failed; null when it did not. */
  error: string | null;
  /** Milliseconds since 1970 until which nothing is tried: a pause after a failure, or the sink's own rate. */
  restsUntil: number | null;
}

/** Delivers the messages of one sink one after the other; what happens to other sinks is nothing to it. */
export class Lane {
  #delivered = 0;
  #failures = 0;
  #error: string | null = null;
  #restsUntil: number | null = null;
  #busy = false;
  #standing: Standing | undefined;
  /** When something was posted, in ms since 1970; oldest first. */
  #posts: number[];
  #wake = () => {};
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(
    readonly outgoing: Outgoing,
    readonly ledger: Ledger,
    readonly clock: Clock,
    readonly told: { notice: (text: string) => void; changed: () => void },
  ) {
    this.#posts = [...ledger.posted(outgoing.sink.name)];
    this.#ended = this.#run().catch((error) => {
      if (!this.#stop.signal.aborted) throw error;
    });
  }

  get name(): string {
    return this.outgoing.sink.name;
  }

  /** Something waits in the ledger. */
  wake(): void {
    this.#wake();
  }

  /** Whether some of a message is for this sink. */
  wants(notification: Notification): boolean {
    return this.outgoing.sink.send !== undefined && this.#partOf(notification) !== undefined;
  }

  /** Shown once, when what waits has been delivered; a later one replaces it. */
  show(standing: Standing): void {
    if (!this.outgoing.sink.show) return;
    const alerts = alertsFor(this.outgoing.config, standing.alerts);
    this.#standing = { ...standing, alerts };
    this.#wake();
  }

  /** Nothing to do, or nothing before that time. */
  isQuietUntil(time: number): boolean {
    if (this.#restsUntil !== null) return this.#restsUntil >= time;
    return !this.#busy && this.#queue.length === 0 && !this.#standing;
  }

  status(): LaneStatus {
    return {
      sink: this.name,
      waiting: this.#queue.length,
      delivered: this.#delivered,
      lost: this.ledger.lost(this.name),
      oldest: this.#queue[0]?.at ?? null,
      error: this.#error,
      restsUntil: this.#restsUntil,
    };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#ended;
  }

  get #queue(): readonly Notification[] {
    return this.ledger.waiting(this.name);
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (this.#queue.length > 0) await this.#deliverNext();
      else if (this.#standing) await this.#showNow(this.#standing);
      else await this.#somethingToDo();
    }
  }

  #somethingToDo(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#stop.signal.aborted) resolve();
    });
  }

  async #deliverNext(): Promise<void> {
    const count = await this.#allowed();
    const messages = this.#queue.slice(0, count);
    const ids = messages.map(({ id }) => id);
    const delivery = {
      notifications: messages.flatMap((message) => this.#partOf(message) ?? []),
      lost: this.ledger.lost(this.name),
    };
    if (delivery.notifications.length === 0) {
      // The configuration has been narrowed since.
      this.ledger.done(this.name, ids);
      return;
    }
    if (this.outgoing.sink.rate) this.#notePost(this.clock.now());
    const outcome = await this.#try((sink, limits) => sink.send?.(delivery, limits));
    if (outcome.ok) {
      this.ledger.done(this.name, ids);
      this.#delivered += ids.length;
    } else if (outcome.refused) {
      this.ledger.giveUp(this.name, ids);
      this.told.notice(
        `sink ${this.name}: refuses a message, which is given up: ${outcome.answer}`,
      );
    }
    this.told.changed();
    if (!outcome.ok && !outcome.refused) await this.#rest(this.#pause(outcome));
  }

  #notePost(at: number): void {
    this.#posts.push(at);
    this.ledger.notePost(this.name, at);
  }

  #partOf(message: Notification): Notification | undefined {
    const alerts = alertsFor(this.outgoing.config, message.alerts);
    return alerts.length > 0 ? { ...message, alerts } : undefined;
  }

  /** A failure is not repeated: the next evaluation brings the next state. */
  async #showNow(standing: Standing): Promise<void> {
    await this.#try((sink, limits) => sink.show?.(standing, limits), { givesUp: false });
    if (this.#standing === standing) this.#standing = undefined;
    this.told.changed();
  }

  /** `givesUp`: what is refused is not tried again. */
  async #try(work: Parameters<typeof attempt>[1], { givesUp = true } = {}): Promise<Outcome> {
    this.#busy = true;
    const outcome = await attempt(this.outgoing, work, this.clock, this.#stop.signal);
    this.#busy = false;
    if (!outcome.ok) this.#stop.signal.throwIfAborted();
    const failed = !outcome.ok && !(outcome.refused && givesUp);
    if (failed && this.#failures === 0)
      this.told.notice(`sink ${this.name}: delivery fails and is tried again: ${outcome.answer}`);
    if (!failed && this.#failures > 0) this.told.notice(`sink ${this.name}: delivers again`);
    this.#failures = failed ? this.#failures + 1 : 0;
    this.#error = outcome.ok ? null : outcome.answer;
    return outcome;
  }

  #pause({ retryAfter }: Outcome): number {
    const doubled = Math.min(FIRST_WAIT * 2 ** (this.#failures - 1), LONGEST_WAIT);
    // Several watchers must not all come back at once.
    return retryAfter ?? doubled * (0.8 + 0.4 * Math.random());
  }

  /** How many messages the next post may take; waits until the sink's rate allows one. */
  async #allowed(): Promise<number> {
    const { rate } = this.outgoing.sink;
    if (!rate) return 1;
    for (;;) {
      const now = this.clock.now();
      // A clock that was set back leaves times in the future: they count from now on.
      this.#posts = this.#posts.map((at) => Math.min(at, now)).filter((at) => at > now - rate.per);
      const left = rate.posts - this.#posts.length;
      if (left > 0) return left === 1 ? (rate.digest ?? 1) : 1;
      await this.#rest((this.#posts[this.#posts.length - rate.posts] ?? now) + rate.per - now);
    }
  }

  async #rest(ms: number): Promise<void> {
    this.#restsUntil = this.clock.now() + ms;
    this.told.changed();
    await this.clock.sleep(ms, this.#stop.signal);
    this.#restsUntil = null;
  }
}
