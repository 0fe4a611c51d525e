import { CacheOpsError, codeOf, messageOf } from '../../errors.js';
import { type Channel, openChannel, TimeoutError } from '../channel.js';
import type { KeyFact, KeySink } from '../key-fact.js';
import { ProtocolError, ReplyError } from '../resp.js';
import { ClosedError } from '../socket.js';
import type { Access } from '../target.js';
import { chooseDatabases, select, sizeOf } from './databases.js';
import { Guard } from './guard.js';
import { Pace } from './pace.js';
import { fromPosition, isShort, notBegun, type Progress, toPosition, update } from './progress.js';
import { type Plan, planQuestions } from './questions.js';
import { cutRanges } from './ranges.js';
import { mayRepeat } from './recent.js';
import { ShortReplies } from './replies.js';
import { readSlots, readState, type ServerState, type Slots } from './server.js';
import { command, ReplyStream } from './stream.js';
import {
  type EndReason,
  type ScanEnd,
  type ScanHooks,
  type ScanOptions,
  type ScanPosition,
  StalePositionError,
} from './types.js';
import { type Range, Walk } from './walk.js';

/** COUNT of a SCAN: small, so that nobody waits long for their turn; several cursors make up for it. */
const COUNT = 100;
/** A round trip in ms from which on more at a time are worth it. */
const FAR = 0.5;
const COUNT_FAR = 200;

const PROGRESS_EVERY = 250;
const POSITION_EVERY = 1_000;

/**
 * Hands every key of one server (all its databases, or some) to the sink: once each, as long as it was there
 * all the time; see Walk. One fact object is used for all. Reads only: no KEYS, no script. SCAN makes a
 * primary delete keys that have expired already, as any access to them would.
 *
 * Ends early, with what it has and where to go on, when it is aborted, the connection breaks, or the server
 * loads, changes its role or begins to evict. Throws when there is no scan at all: StageError (no connection),
 * ReplyError (SCAN refused), StalePositionError, CacheOpsError (no such sample); and what the sink throws.
 */
export async function scanServer(
  access: Access,
  options: ScanOptions,
  sink: KeySink,
  hooks: ScanHooks = {},
): Promise<ScanEnd> {
  const { signal } = hooks;
  const limits = {
    timeout: options.timeout,
    withoutPing: true,
    ...(signal && { signal }),
  };
  const { db = 0, ...anyDatabase } = access;
  const channels: Channel[] = [];
  try {
    for (let index = 0; index < 2; index += 1)
      channels.push(await openChannel(anyDatabase, limits));
    const [control, data] = channels as [Channel, Channel];
    for (const channel of channels) {
      channel.speakBytes();
      // A replica in a cluster sends readers away without it; elsewhere it is refused, and not needed.
      if (options.cluster) await channel.send('READONLY');
    }
    const scan = new Scan(control, data, options, sink, hooks);
    return await scan.run(db);
  } finally {
    for (const channel of channels) channel.close();
  }
}

class Scan {
  readonly #began = performance.now();
  readonly #pace: Pace;
  readonly #databases: Progress[] = [];
  #plan!: Plan;
  #state!: ServerState;
  #slots: Slots | undefined;
  #stream!: ReplyStream;
  #guard!: Guard;
  #roundTrip = 0;
  #cursors = 0;
  #outcome: { reason: EndReason; detail: string } | undefined;
  #thrown: unknown;
  #wake = () => {};
  #reported = { at: performance.now(), keys: 0, position: performance.now() };

  constructor(
    private readonly control: Channel,
    private readonly data: Channel,
    private readonly options: ScanOptions,
    private readonly sink: KeySink,
    private readonly hooks: ScanHooks,
  ) {
    this.#pace = new Pace(options.pace);
  }

  async run(current: number): Promise<ScanEnd> {
    await this.#prepare(current);
    const abort = () => this.#end('aborted', 'it was stopped');
    this.hooks.signal?.addEventListener('abort', abort, { once: true });
    if (this.hooks.signal?.aborted) abort();
    this.#guard.watch(
      (reason, detail) => this.#end(reason, detail),
      () => this.#tick(),
      (error) => this.#lost(error),
    );
    try {
      for (const progress of this.#databases) {
        if (this.#outcome) break;
        if (!progress.end.complete) await this.#scanDatabase(progress);
      }
      if (this.#thrown !== undefined) throw this.#thrown;
      return await this.#summary();
    } finally {
      this.hooks.signal?.removeEventListener('abort', abort);
      this.#pace.end();
      this.#guard.end();
    }
  }

  /** What the server allows, which databases it has, how far away it is. */
  async #prepare(current: number): Promise<void> {
    const { control, options } = this;
    const { cluster = false, resume } = options;
    this.#state = await readState(control, cluster);
    if (resume && resume.run_id !== this.#state.run_id)
      throw new StalePositionError(
        this.#state.run_id
          ? 'the server has been restarted since, or another one has taken its place'
          : 'the server does not tell whether it is still the same process',
      );
    if (options.evicting) this.#state.evicted = undefined;
    if (current !== 0) await select(control, current);
    this.#plan = await planQuestions(control, options);
    this.#guard = new Guard(control, this.#pace, this.#state, cluster);
    this.#roundTrip = await this.#guard.measure(this.#plan.missing);
    if (cluster) this.#slots = await readSlots(control);
    this.#stream = new ReplyStream(this.data, {
      onEnd: (error) => this.#lost(error),
      onThrow: (error) => this.#threw(error),
    });
    const { missing } = this.#plan;
    if (this.#state.by !== 'INFO')
      missing.push({
        command: 'INFO',
        why: 'not permitted',
        instead: 'whether the server evicts is not watched, and the scan cannot be resumed',
      });
    // Lengths would make the keys look used; since Redis 7.2 a client may ask not to.
    if (this.#plan.estimated)
      this.#stream.write(command('CLIENT', 'NO-TOUCH', 'ON'), new ShortReplies(1, () => {}));
    if (resume) {
      for (const position of resume.databases) this.#databases.push(fromPosition(position));
      return;
    }
    const databases = await chooseDatabases(control, options.databases, this.#state, {
      current,
      cluster,
      missing,
    });
    for (const db of databases) this.#databases.push(notBegun(db, this.#state.order));
  }

  async #scanDatabase(progress: Progress): Promise<void> {
    const { end } = progress;
    const { control, options } = this;
    try {
      await this.#select(end.db);
      const keys = await sizeOf(control);
      this.#guard.sizes = [];
      const count = this.#roundTrip > FAR ? COUNT_FAR : COUNT;
      if (progress.left === null) {
        end.keys_before = keys;
        const { order } = progress;
        const table = { order, keys, slots: this.#slots?.own, roundTrip: this.#roundTrip, count };
        progress.left = cutRanges(table, options);
      } else if ((keys ?? 0) < (end.keys_before ?? 0) / 2) {
        // What was seen last is forgotten from one run to the next, and the table may have shrunk between them.
        end.may_repeat = true;
      }
      if (this.#outcome) return;
      await this.#walk(progress, progress.left, { keys, count });
      if (!this.#isLost()) end.keys_after = await sizeOf(control);
      const sizes = [
        ...this.#guard.sizes,
        ...[keys, end.keys_before, end.keys_after].filter(isThere),
      ];
      if (sizes.length > 0) end.may_repeat ||= mayRepeat(Math.max(...sizes), Math.min(...sizes));
    } catch (error) {
      this.#lost(error as Error);
    }
  }

  /** Both connections go to a database. */
  async #select(db: number): Promise<void> {
    await select(this.control, db);
    this.#stream.write(command('SELECT', db), new ShortReplies(1, () => {}));
  }

  #isLost(): boolean {
    return this.#outcome?.reason === 'lost';
  }

  #walk(
    progress: Progress,
    left: readonly Range[],
    { keys, count }: { keys: number | null; count: number },
  ) {
    return new Promise<void>((resolve) => {
      const { end, order } = progress;
      const fact: KeyFact = {
        db: end.db,
        key: '',
        type: '',
        bytes: 0,
        ttl_ms: null,
        encoding: null,
        elements: null,
        idle_s: null,
        frequency: null,
      };
      const finish = () => {
        this.#wake = () => {};
        walk.stop();
        update(progress);
        progress.left = walk.left();
        progress.walk = undefined;
        end.complete = progress.left.length === 0;
        resolve();
      };
      this.#wake = finish;
      const walk = new Walk(
        this.#stream,
        this.#plan,
        left,
        { db: end.db, order, keys, count, roundTrip: this.#roundTrip },
        this.#pace,
        this.sink,
        fact,
        {
          onBatch: () => this.#batch(progress),
          onEnd: () => this.#wake(),
          onError: (error) => this.#end(reasonOf(error), error.message),
          onThrow: (error) => this.#threw(error),
        },
      );
      progress.walk = walk;
      this.#cursors = Math.max(this.#cursors, walk.cursors);
      this.#pace.begin(this.#roundTrip);
      walk.start();
    });
  }

  /** The first reason counts. */
  #end(reason: EndReason, detail: string): void {
    if (this.#outcome) return;
    this.#outcome = { reason, detail };
    for (const { walk } of this.#databases) walk?.stop();
    // It may be the sink that aborts: the batch it is given is handed over first.
    queueMicrotask(() => this.#wake());
  }

  #lost(error: Error): void {
    if (this.#outcome) return;
    const isConnection =
      error instanceof ClosedError || error instanceof TimeoutError || codeOf(error) !== undefined;
    if (error instanceof ReplyError) this.#end(reasonOf(error), error.message);
    else if (isConnection && !(error instanceof CacheOpsError)) this.#end('lost', messageOf(error));
    else this.#threw(error);
  }

  /** What is thrown while replies are read: by the sink, by a hook, or because they are no replies. */
  #threw(error: Error): void {
    if (this.#outcome) return;
    if (!(error instanceof ProtocolError)) this.#thrown = error;
    this.#end('error', messageOf(error));
  }

  /** The stream has no limit of its own: nothing for too long is a lost connection. */
  #tick(): void {
    const silent = performance.now() - this.#stream.heard;
    if (this.#stream.pending > 0 && silent > this.options.timeout)
      this.#lost(new TimeoutError(this.options.timeout));
  }

  #batch(progress: Progress): Promise<unknown> | undefined {
    const now = performance.now();
    const { progress: onProgress, position } = this.hooks;
    if (onProgress && now - this.#reported.at >= PROGRESS_EVERY) {
      update(progress);
      const keys = this.#databases.reduce((sum, { end }) => sum + end.seen, 0);
      const rate = ((keys - this.#reported.keys) * 1_000) / (now - this.#reported.at);
      Object.assign(this.#reported, { at: now, keys });
      const of = progress.end.keys_before;
      const done = progress.walk?.done() ?? null;
      onProgress({ keys, of, done, rate, db: progress.end.db, slowed: this.#pace.isSlowed });
    }
    if (position && now - this.#reported.position >= POSITION_EVERY) {
      this.#reported.position = now;
      const found = this.#position();
      if (found) position(found);
    }
    return this.hooks.batch?.();
  }

  /** Null where the server does not say which process it is. */
  #position(): ScanPosition | null {
    if (!this.#state.run_id) return null;
    const databases = this.#databases.map(toPosition);
    return { format: 1, run_id: this.#state.run_id, slots: this.#slotsAtStart(), databases };
  }

  #slotsAtStart(): string | null {
    return (this.options.resume ? this.options.resume.slots : this.#slots?.version) ?? null;
  }

  async #haveSlotsMoved(): Promise<boolean> {
    const before = this.#slots;
    if (!before || this.#isLost()) return false;
    const now = await readSlots(this.control).catch(() => undefined);
    if (!now) return false;
    const start = this.#slotsAtStart() ?? now.version;
    return before.moving || now.moving || now.version !== start;
  }

  async #summary(): Promise<ScanEnd> {
    const { reason, detail } = this.#outcome ?? { reason: 'done' as const, detail: '' };
    const { idle } = this.#guard;
    const { options } = this;
    const isWhole = !options.match && !options.type && !options.part;
    for (const { end } of this.#databases) {
      end.short = isWhole && isShort(end);
      // SCAN TYPE looks up every key that it passes, shown or not.
      if (this.#plan.knownType) this.#plan.lookups.hits += end.keys_before ?? end.seen;
    }
    return {
      reason,
      detail,
      databases: this.#databases.map(({ end }) => end),
      slots_moved: await this.#haveSlotsMoved(),
      estimated: this.#plan.estimated,
      missing: this.#plan.missing,
      lookups: this.#plan.lookups,
      position: reason === 'done' ? null : this.#position(),
      cursors: this.#cursors,
      took_ms: performance.now() - this.#began,
      latency:
        idle === null
          ? null
          : { idle_ms: idle, worst_ms: this.#pace.worst, slowed: this.#pace.slowed },
    };
  }
}

const isThere = (size: number | null) => size !== null;

function reasonOf({ code }: ReplyError): EndReason {
  return code === 'LOADING' || code === 'MASTERDOWN' ? 'loading' : 'error';
}
