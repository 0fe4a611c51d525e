import type { SinkConfig } from '../config/sinks.js';
import { CacheOpsError, messageOf } from '../errors.js';
import type { State } from '../state/folder.js';
import { identify } from '../state/identity.js';
import { claim } from '../state/lock.js';
import type { Clock } from './clock.js';
import type { Notification } from './notification.js';
import { Lane, type LaneStatus } from './outbox-lane.js';
import { type Ledger, MOST_WAITING, openLedger } from './outbox-ledger.js';
import { makeOutgoing, type Surroundings } from './sinks/make.js';
import type { Standing } from './sinks/sink.js';

export interface OutboxOptions extends Surroundings {
  clock: Clock;
  /** Of this process, to keep a second one out. */
  pid: number;
  /** Ends the delivery; what waits stays on disk. */
  signal: AbortSignal;
  /** Told in a sentence, without secrets, when a sink stops answering, is back, or gives a message up. */
  notice: (text: string) => void;
}

/** Messages on their way to sinks. What waits is on disk, and goes out when the outbox is opened again. */
export interface Outbox {
  /**
   * Takes a message for every sink that wants it; when it resolves the message is on disk, and none is awaited.
   * A message whose id was added before is ignored: a caller that was killed may add its last one again.
   * Where the disk takes no writes it is delivered from memory, and `notice` is told.
   */
  add(notification: Notification): Promise<void>;
  /**
   * After each evaluation: all that fires now. Sinks that hold a state (Alertmanager, textfile) get it,
   * and forget what is not repeated. Waits for nothing, and is not kept on disk.
   */
  refresh(standing: Standing): void;
  /**
   * Waits until all is delivered, `timeout` ms have passed, or nothing more would be tried before that.
   * Deliveries (messages times sinks) since it was opened, and those that still wait.
   */
  settle(timeout: number): Promise<{ delivered: number; waiting: number }>;
  status(): LaneStatus[];
  /** Breaks off what is on its way, which is sent again, with the same id, when it is opened again. */
  close(): Promise<void>;
}

/** A message for a sink that is not in the configuration any more waits so long for it to return, in ms. */
const PARKED = 24 * 3_600_000;

/** Opens the queue in the state folder and begins to deliver what waits there. Refused while another process has it open. */
export async function openOutbox(
  state: Pick<State, 'path'>,
  configs: readonly SinkConfig[],
  options: OutboxOptions,
): Promise<Outbox> {
  const { clock, pid, notice } = options;
  const lock = claimFolder(state.path('alerts', 'outbox'), pid);
  try {
    const ledger = await openLedger(state.path('alerts', 'outbox', 'messages.ndjson'), {
      problem: (error) =>
        notice(`alerts are kept in memory only, and delivered from there: ${messageOf(error)}`),
    });
    forget(ledger, configs, clock.now());
    return new LedgerOutbox(ledger, lock, configs, options);
  } catch (error) {
    lock.release();
    throw error;
  }
}

class LedgerOutbox implements Outbox {
  readonly #lanes: Lane[];
  /** Called after every change of a lane. */
  readonly #listeners = new Set<() => void>();
  /** Sinks whose full queue has been told. */
  readonly #full = new Set<string>();
  readonly #end = () => {
    void this.#stop();
    this.#changed();
  };

  constructor(
    readonly ledger: Ledger,
    readonly lock: { release(): void },
    configs: readonly SinkConfig[],
    readonly options: OutboxOptions,
  ) {
    const told = { notice: options.notice, changed: () => this.#changed() };
    this.#lanes = configs.map(
      (config) => new Lane(makeOutgoing(config, options), ledger, options.clock, told),
    );
    options.signal.addEventListener('abort', this.#end, { once: true });
  }

  async add(notification: Notification): Promise<void> {
    const wanted = this.#lanes.filter((lane) => lane.wants(notification));
    const names = wanted.map(({ name }) => name);
    for (const sink of await this.ledger.add(notification, names)) {
      if (!this.#full.has(sink))
        this.options.notice(`sink ${sink}: ${MOST_WAITING} messages wait, the oldest are given up`);
      this.#full.add(sink);
    }
    for (const lane of wanted) lane.wake();
  }

  refresh(standing: Standing): void {
    for (const lane of this.#lanes) lane.show(standing);
  }

  async settle(timeout: number): Promise<{ delivered: number; waiting: number }> {
    const { clock, signal } = this.options;
    const end = clock.now() + timeout;
    const over = new AbortController();
    const check = () => {
      if (signal.aborted || this.#lanes.every((lane) => lane.isQuietUntil(end))) over.abort();
    };
    this.#listeners.add(check);
    check();
    await clock.sleep(timeout, over.signal).catch(() => {});
    this.#listeners.delete(check);
    return total(this.status());
  }

  status(): LaneStatus[] {
    return this.#lanes.map((lane) => lane.status());
  }

  async close(): Promise<void> {
    this.options.signal.removeEventListener('abort', this.#end);
    await this.#stop();
    this.ledger.close();
    this.lock.release();
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.stop()));
  }

  #changed(): void {
    for (const sink of this.#full)
      if (this.ledger.waiting(sink).length < MOST_WAITING) this.#full.delete(sink);
    for (const listener of this.#listeners) listener();
  }
}

function total(all: readonly LaneStatus[]): { delivered: number; waiting: number } {
  return {
    delivered: all.reduce((sum, { delivered }) => sum + delivered, 0),
    waiting: all.reduce((sum, { waiting }) => sum + waiting, 0),
  };
}

function claimFolder(folder: string, pid: number): { release(): void } {
  const self = identify(pid);
  if (!self) throw new Error(`there is no process ${pid}`);
  const claimed = claim(folder, self);
  if ('release' in claimed) return claimed;
  throw new CacheOpsError(
    'refused',
    `process ${claimed.holder.pid} delivers alerts from this state folder`,
    'let it end, or set XDG_STATE_HOME to another folder',
  );
}

/** Old messages for sinks that are not there any more: nobody waits for them. */
function forget(ledger: Ledger, configs: readonly SinkConfig[], now: number): void {
  const gone = ledger.sinks().filter((sink) => !configs.some(({ name }) => name === sink));
  for (const sink of gone) {
    const old = ledger.waiting(sink).filter(({ at }) => Date.parse(at) < now - PARKED);
    if (old.length > 0)
      ledger.giveUp(
        sink,
        old.map(({ id }) => id),
      );
  }
}
