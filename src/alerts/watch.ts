import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/load.js';
import type { SinkConfig } from '../config/sinks.js';
import { messageOf } from '../errors.js';
import type { Io } from '../io.js';
import type { State } from '../state/folder.js';
import { clockOf } from './clock.js';
import { deliver, keep, tellingAt } from './delivery.js';
import { type Evaluation, evaluate } from './evaluate.js';
import { alertFolder, claimAlerts, momentOf } from './folder.js';
import { nextTelling, tell } from './groups.js';
import type { Leader } from './leader.js';
import type { Notification } from './notification.js';
import { type Outbox, openOutbox } from './outbox.js';
import type { RuleBook } from './rules.js';
import { unreachableSinks } from './sinks/reach.js';
import { type AlertState, loadState } from './state.js';

/** What is watched, as the configuration has it. */
export interface Watched {
  config: Config;
  book: RuleBook;
  sinks: SinkConfig[];
}

export interface WatchOptions {
  /** The whole state folder. */
  state: State;
  io: Pick<Io, 'now' | 'uptime' | 'host' | 'stdout' | 'signal'>;
  timeout: number;
  /** Milliseconds between two evaluations, instead of the configuration's. */
  interval?: number | undefined;
  leader?: Leader | undefined;
  /** Reads the configuration anew; undefined where it is no good, which has been said. */
  reload(): Promise<Watched | undefined>;
  /** Calls when the configuration is to be read anew. */
  onReload(listener: () => void): void;
  seen(evaluation: Evaluation, seen: Seen): void;
  told(notifications: readonly Notification[]): void;
  /** A sentence for the operator, without secrets. */
  notice(text: string): void;
}

/** What else is known after an evaluation. */
export interface Seen {
  state: AlertState;
  folder: State;
  /** This process keeps the state; otherwise another one on this machine does. */
  keeps: boolean;
  /** It tells the sinks. */
  leads: boolean;
  /** Messages times sinks that wait on disk. */
  waiting: number;
}

/** So long the sinks have at the end; what is left waits on disk. */
const SETTLE = 3_000;
/** The leader's lock is renewed so often; it expires after three times that. */
export const RENEWED_EVERY = 5_000;

/**
 * Evaluates every interval until the signal is aborted, which rejects with its reason. Of several processes
 * on one state folder one keeps the state and tells; the others look, and take over when it ends.
 */
export async function watch(first: Watched, options: WatchOptions): Promise<never> {
  const { io, leader } = options;
  const renewing = leader && renew(leader, io.signal);
  const watcher = new Watcher(first, options);
  try {
    for (;;) {
      const start = performance.now();
      await watcher.evaluate();
      await watcher.rest(start);
    }
  } finally {
    await watcher.end();
    await renewing;
    await leader?.resign();
  }
}

async function renew(leader: Leader, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await sleep(RENEWED_EVERY, undefined, { signal });
      await leader.refresh();
    } catch {
      // The end.
    }
  }
}

class Watcher {
  #folder: State;
  #claimed: { release(): void } | undefined;
  #state: AlertState | undefined;
  #outbox: Outbox | undefined;
  /** By, while another process keeps the state. */
  #stands = false;
  /** Of the outbox: it goes on a little longer than the watcher. */
  readonly #over = new AbortController();
  #reloads = false;
  #wake = new AbortController();

  constructor(
    private watched: Watched,
    private readonly options: WatchOptions,
  ) {
    this.#folder = alertFolder(options.state, watched.config);
    options.onReload(() => {
      this.#reloads = true;
      this.#wake.abort();
    });
  }

  async evaluate(): Promise<void> {
    const { io, timeout, state: folder, seen, notice } = this.options;
    if (this.#reloads) await this.#reload();
    await this.#claim();
    const state = this.#state ?? loadState(this.#folder);
    const evaluation = await evaluate(this.watched.config, this.watched.book, state, {
      moment: momentOf(io),
      folder,
      timeout,
      signal: io.signal,
      notice,
    });
    await this.#tell(state);
    const waiting = this.#outbox?.status().reduce((sum, lane) => sum + lane.waiting, 0) ?? 0;
    const keeps = this.#claimed !== undefined;
    seen(evaluation, {
      state,
      folder: this.#folder,
      keeps,
      leads: keeps && this.#leads(),
      waiting,
    });
  }

  /** Until the next evaluation; what is due in between is told in between. */
  async rest(start: number): Promise<void> {
    const { io } = this.options;
    const end = start + this.#interval();
    for (;;) {
      io.signal.throwIfAborted();
      const left = end - performance.now();
      if (left <= 0 || this.#reloads) return;
      const due = this.#state ? nextTelling(this.#state, this.#groupWait()) : null;
      const until = due === null ? left : Math.max(0, Math.min(left, due - io.now()));
      this.#wake = new AbortController();
      const signal = AbortSignal.any([io.signal, this.#wake.signal]);
      await sleep(until, undefined, { signal }).catch(() => {});
      io.signal.throwIfAborted();
      if (until < left && !this.#reloads && this.#state) await this.#tell(this.#state);
    }
  }

  async end(): Promise<void> {
    await this.#closeOutbox(SETTLE);
    this.#claimed?.release();
  }

  #interval(): number {
    return this.options.interval ?? this.watched.config.alerts?.interval ?? 60_000;
  }

  #leads(): boolean {
    return this.options.leader?.leads() ?? true;
  }

  /** One that follows counts as told what the leader must have told by then, or it would lead itself. */
  #groupWait(): number {
    const wait = this.watched.config.alerts?.group_wait ?? 30_000;
    return this.#leads() ? wait : wait + this.#interval() + 3 * RENEWED_EVERY;
  }

  async #tell(state: AlertState): Promise<void> {
    const { io, notice, told } = this.options;
    if (!this.#claimed || !this.#outbox) return;
    const telling = tellingAt(this.#folder, this.watched.config, io.now(), this.#groupWait());
    if (this.#leads()) {
      const due = await deliver(this.#folder, state, this.#outbox, telling, notice);
      if (due.length > 0) told(due);
    } else {
      tell(state, telling);
      keep(this.#folder, state, notice);
    }
  }

  /** Takes the place of the process that keeps the state, where there is none any more. */
  async #claim(): Promise<void> {
    const { io, notice } = this.options;
    if (this.#claimed) return;
    const claimed = claimAlerts(this.#folder, io.host.pid);
    if (!('release' in claimed)) {
      if (!this.#stands) notice(`process ${claimed.holder.pid} tells the sinks; this one looks on`);
      this.#stands = true;
      return;
    }
    if (this.#stands) notice('this process tells the sinks from here on');
    this.#stands = false;
    this.#claimed = claimed;
    this.#state = loadState(this.#folder);
    await this.#openOutbox();
  }

  async #openOutbox(): Promise<void> {
    const { io, notice } = this.options;
    this.#outbox = await openOutbox(this.#folder, this.watched.sinks, {
      clock: clockOf(io.now),
      pid: io.host.pid,
      signal: this.#over.signal,
      notice,
      stdout: io.stdout,
    });
    // Not waited for: a sink that is away must not delay the first look.
    void unreachableSinks(this.watched.sinks).then((sentences) => sentences.forEach(notice));
  }

  /** What is on its way when it is closed is sent again, with the same id. */
  async #closeOutbox(patience: number): Promise<void> {
    const outbox = this.#outbox;
    this.#outbox = undefined;
    await outbox?.settle(patience);
    await outbox?.close();
  }

  async #reload(): Promise<void> {
    const { reload, notice } = this.options;
    this.#reloads = false;
    try {
      const fresh = await reload();
      if (!fresh) return;
      await this.#closeOutbox(0);
      const folder = alertFolder(this.options.state, fresh.config);
      this.watched = fresh;
      if (folder.folder !== this.#folder.folder) {
        // Another estate has another state.
        this.#claimed?.release();
        this.#claimed = undefined;
        this.#state = undefined;
        this.#folder = folder;
      } else if (this.#claimed) await this.#openOutbox();
      notice('the configuration was read anew');
    } catch (error) {
      notice(`the configuration stays as it was: ${messageOf(error)}`);
    }
  }
}
