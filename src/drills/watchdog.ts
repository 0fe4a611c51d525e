import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import type { Io } from '../io.js';
import { audit } from '../state/audit.js';
import type { State } from '../state/folder.js';
import { type Identity, identify } from '../state/identity.js';
import { actorFor, inject, restore } from './faults/act.js';
import type { Live } from './faults/breaker.js';
import { amendJournal, archive, claim, readJournal } from './journal.js';
import { LEASE, type Notice, type Order, readMessages, type Trigger } from './protocol.js';

/**
 * The process that breaks the target and makes it good again, in a session of its own so that it
 * outlives the command line and its terminal. It alone acts on the target: a command line that was
 * stopped and wakes up late finds nobody to give its order to.
 *
 * It restores when it is told to, when the pipe to the command line ends, when no beat has come
 * for 2 s, at the hard deadline, and when it is asked to end by a signal.
 */
export async function runWatchdog(
  io: Io,
  state: State,
  folder: string,
  deadline: number,
): Promise<void> {
  const self = identify(io.host.pid);
  const journal = readJournal(folder);
  if (!self || !journal) throw new Error(`no journal in ${folder}`);
  const actor = actorFor(io, journal.fault, folder);
  const notify = (notice: Notice) => io.stdout.write(`${JSON.stringify(notice)}\n`);
  /** The command line may be dead by then: who acts writes it down. A full disk keeps nobody from restoring. */
  const log = (action: string, result: string) =>
    tryTo(() =>
      audit(
        { state, now: io.now },
        {
          action: `${journal.drill}: ${action}`,
          target: journal.target,
          result,
          detail: { id: journal.id },
        },
      ),
    );
  let injection: Promise<Live | undefined> | undefined;
  let lastBeat = performance.now();
  const trigger = latch<Trigger | 'disarm'>();
  const released = latch<void>();

  const breakIt = async () => {
    // On disk before anything is broken; when that fails nothing is.
    amendJournal(folder, journal.id, { phase: 'injecting' });
    const live = await inject(journal.fault, actor);
    log('break', 'broken');
    return live;
  };
  const orders: Record<Order['type'], () => void> = {
    beat() {},
    inject() {
      if (injection || trigger.fired) return;
      injection = breakIt();
      injection.then(
        () => notify({ type: 'injected' }),
        (error: unknown) => notify({ type: 'failed', reason: messageOf(error) }),
      );
    },
    restore: () => trigger.fire('drill'),
    disarm() {
      trigger.fire('disarm');
      released.fire();
    },
  };
  readMessages<Order>(
    io.stdin(),
    ({ type }) => {
      lastBeat = performance.now();
      orders[type]?.();
    },
    () => {
      trigger.fire('pipe closed');
      released.fire();
    },
  );
  io.signal.addEventListener('abort', () => trigger.fire('signal'), { once: true });
  const start = performance.now();
  const clock = setInterval(() => {
    const now = performance.now();
    if (now - start > deadline) trigger.fire('deadline');
    if (now - lastBeat < LEASE) return;
    trigger.fire('lease');
    released.fire();
  }, 50);

  amendJournal(folder, journal.id, { watchdog: self });
  notify({ type: 'armed' });
  const by = await trigger.wait;
  if (by !== 'disarm') {
    const outcome = await restoreOnce(folder, journal.id, self, by, async () => {
      if (!injection) return;
      let settled = true;
      const live = await injection.catch(() => {
        settled = false;
        return undefined;
      });
      await live?.end();
      await restore(journal.fault, actor, settled);
    });
    if (injection)
      log('restore', outcome.type === 'restored' ? `restored: ${outcome.by}` : 'not restored');
    notify(outcome);
    if (outcome.type === 'not_restored') return;
    // After an order the command line still looks at the recovery; the target stays locked for it.
    if (by === 'drill') await released.wait;
  }
  clearInterval(clock);
  tryTo(() => archive(state, folder, journal.id));
  notify({ type: 'disarmed' });
}

interface Latch<T> {
  readonly fired: boolean;
  fire(value: T): void;
  wait: Promise<T>;
}

/** Something that happens once: the first to fire decides the value. */
function latch<T>(): Latch<T> {
  let resolve: (value: T) => void = () => {};
  const wait = new Promise<T>((done) => {
    resolve = done;
  });
  const self = {
    fired: false,
    wait,
    fire(value: T) {
      self.fired = true;
      resolve(value);
    },
  };
  return self;
}

/**
 * Restores if nobody else does, and writes down that it is done. When another process holds the
 * claim, waits for its outcome instead. A disk that takes no writes is no reason not to restore:
 * it may then be done twice, which is harmless, and the journal stays open.
 */
export async function restoreOnce(
  folder: string,
  id: string,
  self: Identity,
  by: Trigger,
  work: () => Promise<void>,
): Promise<Extract<Notice, { type: 'restored' | 'not_restored' }>> {
  for (;;) {
    const journal = readJournal(folder);
    if (journal?.id !== id || journal.phase === 'restored') return { type: 'restored', by };
    if (!tryTo(() => claim(folder, self))) break;
    await sleep(50);
  }
  try {
    await work();
  } catch (error) {
    return { type: 'not_restored', reason: messageOf(error) };
  }
  tryTo(() =>
    amendJournal(folder, id, { phase: 'restored', restored: { at: new Date().toISOString(), by } }),
  );
  return { type: 'restored', by };
}

/** The result, or undefined when it cannot be had. */
function tryTo<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
