import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Environment, withDotEnv } from '../config/environment.js';
import { CacheOpsError } from '../errors.js';
import type { Host } from '../io.js';
import type { State } from '../state/folder.js';
import { type Identity, identify, isAlive, signalTo } from '../state/identity.js';
import { actorFor, restore } from './faults/act.js';
import { archive, historyFolder, readJournal } from './journal.js';
import { BEAT_EVERY, type Notice, type Order, readMessages } from './protocol.js';
import { restoreOnce } from './watchdog.js';

/** The world that acting on a drill's folder needs. */
export interface Scene {
  state: State;
  host: Host;
  env: Environment;
  cwd: string;
}

/** How long an order may stay without an answer before the watchdog is taken for dead. */
const ANSWER_LIMIT = 100_000;
const ARM_LIMIT = 10_000;
const LAST_WORDS = 500;

export type Restored = Extract<Notice, { type: 'restored' | 'not_restored' }>;

/**
 * The command line's side of the watchdog. What it asks for is done over there; when the watchdog
 * is gone, it restores itself.
 */
export class Guard {
  readonly #notices: Notice[] = [];
  #wake: () => void = () => {};
  #gone = false;
  readonly #beat: NodeJS.Timeout;

  private constructor(
    private readonly scene: Scene,
    readonly folder: string,
    private readonly child: ChildProcess & { stdin: Writable; stdout: Readable },
  ) {
    readMessages<Notice>(
      child.stdout,
      (notice) => this.#tell(notice),
      () => this.#lose(),
    );
    // Its last words may still be unread, after a stop of this process above all: the end of its output tells
    // that it is gone, unless a child of its own holds that open.
    child.stdin.on('error', () => void sleep(LAST_WORDS).then(() => this.#lose()));
    child.once('error', () => this.#lose());
    this.#beat = setInterval(() => this.#send({ type: 'beat' }), BEAT_EVERY);
  }

  /** Starts the watchdog and returns when it has confirmed; before that nothing can be broken. */
  static async arm(scene: Scene, folder: string, deadline: number, cwd: string): Promise<Guard> {
    const log = openSync(join(folder, 'watchdog.log'), 'a', 0o600);
    const child = spawn(
      scene.host.execPath,
      [scene.host.entry, '__watchdog', folder, String(deadline)],
      {
        detached: true,
        cwd: '/',
        env: withDotEnv(withDotEnv(scene.env, scene.cwd), cwd) as NodeJS.ProcessEnv,
        stdio: ['pipe', 'pipe', log],
      },
    );
    closeSync(log);
    const guard = new Guard(scene, folder, child as Guard['child']);
    const answer = await guard.#next(['armed'], ARM_LIMIT);
    if (answer?.type === 'armed') return guard;
    guard.release();
    child.kill('SIGKILL');
    throw new CacheOpsError(
      'state',
      'the watchdog did not start; nothing was broken',
      `see ${join(folder, 'watchdog.log')}`,
    );
  }

  /** Breaks the target. Throws when that did not work; the target must be restored all the same. */
  async inject(): Promise<void> {
    this.#send({ type: 'inject' });
    const answer = await this.#next(
      ['injected', 'failed', 'restored', 'not_restored'],
      ANSWER_LIMIT,
    );
    if (answer?.type === 'injected') return;
    throw new Error(answer?.type === 'failed' ? answer.reason : 'the watchdog ended the drill');
  }

  /** What the watchdog has done on its own account, if it has: a drill must end then. */
  get ended(): Restored | 'gone' | undefined {
    return this.#notices.find(isRestored) ?? (this.#gone ? 'gone' : undefined);
  }

  /** Makes the target good again, whoever does it: the watchdog, or this process when it is gone. */
  async restore(): Promise<Restored> {
    this.#send({ type: 'restore' });
    const answer = await this.#next(['restored', 'not_restored'], ANSWER_LIMIT);
    if (answer && isRestored(answer)) return answer;
    return takeOver(this.scene, this.folder, 'drill');
  }

  /** Ends the watch and closes the drill; returns the folder it is kept in. */
  async disarm(): Promise<string> {
    const journal = readJournal(this.folder);
    this.#send({ type: 'disarm' });
    await this.#next(['disarmed'], ARM_LIMIT);
    if (journal && readJournal(this.folder))
      return archive(this.scene.state, this.folder, journal.id);
    return journal ? historyFolder(this.scene.state, journal.id) : this.folder;
  }

  /** Lets go without a word: the watchdog takes it for our end. */
  release(): void {
    clearInterval(this.#beat);
    this.child.stdin.destroy();
  }

  #send(order: Order): void {
    if (!this.#gone) this.child.stdin.write(`${JSON.stringify(order)}\n`);
  }

  #tell(notice: Notice): void {
    this.#notices.push(notice);
    this.#wake();
  }

  #lose(): void {
    this.#gone = true;
    this.#wake();
  }

  /** The first notice of one of these types, also one that came earlier; undefined when none comes. */
  async #next(types: Notice['type'][], limit: number): Promise<Notice | undefined> {
    const timer = sleep(limit, 'late' as const, { ref: false });
    for (;;) {
      const found = this.#notices.find(({ type }) => types.includes(type));
      if (found) return found;
      if (this.#gone) return undefined;
      const news = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if ((await Promise.race([news, timer])) === 'late') return undefined;
    }
  }
}

function isRestored(notice: Notice): notice is Restored {
  return notice.type === 'restored' || notice.type === 'not_restored';
}

/**
 * Restores a drill whose watchdog is dead or does not answer. A watchdog that is still there is
 * ended first: it must not act on the target after we have.
 */
export async function takeOver(
  scene: Scene,
  folder: string,
  by: 'drill' | 'drill restore',
): Promise<Restored> {
  const { state, host } = scene;
  const { watchdog } = readJournal(folder) ?? {};
  if (watchdog) await end(host, watchdog);
  const journal = readJournal(folder);
  if (!journal) return { type: 'restored', by };
  const self = identify(host.pid) as Identity;
  const outcome = await restoreOnce(folder, journal.id, self, by, async () => {
    if (journal.phase !== 'injecting') return;
    await restore(journal.fault, actorFor(scene, journal.fault, folder), false);
  });
  if (outcome.type === 'restored') archive(state, folder, journal.id);
  return outcome;
}

async function end(host: Host, watchdog: Identity): Promise<void> {
  signalTo(host, watchdog, 'SIGKILL');
  while (isAlive(watchdog)) await sleep(5);
}
