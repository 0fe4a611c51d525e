import type { SinkConfig } from '../config/sinks.js';
import { CacheOpsError } from '../errors.js';
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
  { clock, pid, signal, notice, ...surroundings }: OutboxOptions,
): Promise<Outbox> {
  const lock = claimFolder(state.path('alerts', 'outbox'), pid);
  let ledger: Ledger;
  try {
    ledger = await openLedger(state.path('alerts', 'outbox', 'messages.ndjson'), {
      problem: (error) => notice(`alerts are delivered from memory only: ${String(error)}`),
    });
  } catch (error) {
    lock.release();
    throw error;
  }
  forget(ledger, configs, clock.now());
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of listeners) listener();
  };
  const lanes = configs.map(
    (config) => new Lane(makeOutgoing(config, surroundings), ledger, clock, { notice, changed }),
  );
  const stop = () => Promise.all(lanes.map((lane) => lane.stop()));
  const end = () => {
    void stop();
    changed();
  };
  signal.addEventListener('abort', end, { once: true });
  return {
    async add(notification) {
      const wanted = lanes.filter((lane) => lane.wants(notification));
      const full = wanted.filter((lane) => lane.status().lost === 0);
      await ledger.add(
        notification,
        wanted.map(({ name }) => name),
      );
      for (const lane of full.filter(({ name }) => ledger.lost(name) > 0))
        notice(`sink ${lane.name}: ${MOST_WAITING} messages wait, the oldest are given up`);
      for (const lane of wanted) lane.wake();
    },
    refresh(standing) {
      for (const lane of lanes) lane.show(standing);
    },
    settle: (timeout) => settle(lanes, listeners, timeout, { clock, signal }),
    status: () => lanes.map((lane) => lane.status()),
    async close() {
      signal.removeEventListener('abort', end);
      await stop();
      ledger.close();
      lock.release();
    },
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

async function settle(
  lanes: readonly Lane[],
  listeners: Set<() => void>,
  timeout: number,
  { clock, signal }: Pick<OutboxOptions, 'clock' | 'signal'>,
): Promise<{ delivered: number; waiting: number }> {
  const end = clock.now() + timeout;
  const isDone = () => signal.aborted || lanes.every((lane) => lane.isQuietUntil(end));
  const over = new AbortController();
  const check = () => isDone() && over.abort();
  listeners.add(check);
  check();
  await clock.sleep(timeout, over.signal).catch(() => {});
  listeners.delete(check);
  const all = lanes.map((lane) => lane.status());
  return {
    delivered: all.reduce((sum, { delivered }) => sum + delivered, 0),
    waiting: all.reduce((sum, { waiting }) => sum + waiting, 0),
  };
}
