import { CacheOpsError, codeOf, messageOf } from '../../errors.js';
import { type Channel, TimeoutError } from '../channel.js';
import { emptyFact, type KeySink } from '../key-fact.js';
import { ProtocolError, ReplyError } from '../resp.js';
import { ClosedError } from '../socket.js';
import { approach, type Server } from './approach.js';
import type { Range } from './batches.js';
import { chooseDatabases, select, sizeOf } from './databases.js';
import { Pace } from './pace.js';
import {
  fromPosition,
  isShort,
  notBegun,
  type Progress,
  toPosition,
  toProgress,
  update,
} from './progress.js';
import { cutRanges } from './ranges.js';
import { mayRepeat } from './recent.js';
import { ShortReplies } from './replies.js';
import { Reports } from './reports.js';
import { haveMoved } from './server.js';
import { command, ReplyStream } from './stream.js';
import type { EndReason, ScanEnd, ScanHooks, ScanOptions, ScanPosition } from './types.js';
import { Walk } from './walk.js';

/** COUNT of a SCAN: small, so that nobody waits long for their turn; several cursors make up for it. */
const COUNT = 100;
/** A round trip in ms from which on more at a time are worth it. */
const FAR = 0.5;
const COUNT_FAR = 200;

/** The scan of one server over two connections: one for what it is and how it fares, one for the keys. */
export class Session {
  readonly #began = performance.now();
  readonly #pace: Pace;
  readonly #databases: Progress[] = [];
  readonly #reports: Reports;
  #server!: Server;
  #stream!: ReplyStream;
  #cursors = 0;
  #outcome: { reason: EndReason; detail: string } | undefined;
  #thrown: unknown;
  #wake = () => {};

  constructor(
    private readonly control: Channel,
    private readonly data: Channel,
    private readonly options: ScanOptions,
    private readonly sink: KeySink,
    private readonly hooks: ScanHooks,
  ) {
    this.#pace = new Pace(options.pace);
    this.#reports = new Reports(hooks);
  }

  async run(current: number): Promise<ScanEnd> {
    await this.#prepare(current);
    const abort = () => this.#end('aborted', 'it was stopped');
    this.hooks.signal?.addEventListener('abort', abort, { once: true });
    if (this.hooks.signal?.aborted) abort();
    this.#server.guard.watch(
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
      this.#server.guard.end();
    }
  }

  async #prepare(current: number): Promise<void> {
    const { control, options } = this;
    this.#server = await approach(control, options, this.#pace, current);
    const { plan, state } = this.#server;
    this.#stream = new ReplyStream(this.data, {
      onEnd: (error) => this.#lost(error),
      onThrow: (error) => this.#threw(error),
    });
    // Lengths would make the keys look used; since Redis 7.2 a client may ask not to.
    if (plan.estimated)
      this.#stream.write(command('CLIENT', 'NO-TOUCH', 'ON'), new ShortReplies(1, () => {}));
    const { cluster = false, resume } = options;
    if (resume) {
      for (const position of resume.databases) this.#databases.push(fromPosition(position));
      return;
    }
    const { missing } = plan;
    const at = { current, cluster, missing };
    for (const db of await chooseDatabases(control, options.databases, state, at))
      this.#databases.push(notBegun(db, state.order));
  }

  async #scanDatabase(progress: Progress): Promise<void> {
    const { end } = progress;
    const { control, options } = this;
    try {
      await this.#select(end.db);
      const keys = await sizeOf(control);
      this.#server.guard.sizes = [];
      const count = this.#server.roundTrip > FAR ? COUNT_FAR : COUNT;
      if (progress.left === null) {
        end.keys_before = keys;
        const { order } = progress;
        const table = {
          order,
          keys,
          slots: this.#server.slots?.own,
          roundTrip: this.#server.roundTrip,
          count,
        };
        progress.left = cutRanges(table, options);
      } else if ((keys ?? 0) < (end.keys_before ?? 0) / 2) {
        // What was seen last is forgotten from one run to the next, and the table may have shrunk between them.
        end.may_repeat = true;
      }
      if (this.#outcome) return;
      await this.#walk(progress, progress.left, { keys, count });
      if (!this.#isLost()) end.keys_after = await sizeOf(control);
      const sizes = [
        ...this.#server.guard.sizes,
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
      const fact = emptyFact(end.db);
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
        this.#server.plan,
        left,
        { db: end.db, order, keys, count, roundTrip: this.#server.roundTrip },
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
      this.#pace.begin(this.#server.roundTrip);
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
    const { hooks } = this;
    this.#reports.progress(() => toProgress(progress, this.#databases, this.#pace.isSlowed));
    this.#reports.position(() => this.#position());
    return hooks.batch?.();
  }

  /** Null where the server does not say which process it is. */
  #position(): ScanPosition | null {
    if (!this.#server.state.run_id) return null;
    const databases = this.#databases.map(toPosition);
    return { format: 1, run_id: this.#server.state.run_id, slots: this.#slotsAtStart(), databases };
  }

  /** A resumed scan goes by what the node had when the first one began. */
  #slotsAtStart(): string | null {
    const { resume } = this.options;
    return (resume ? resume.slots : this.#server.slots?.version) ?? null;
  }

  async #summary(): Promise<ScanEnd> {
    const { reason, detail } = this.#outcome ?? { reason: 'done' as const, detail: '' };
    const { guard, plan, slots } = this.#server;
    const { idle } = guard;
    const { options } = this;
    const isWhole = !options.match && !options.type && !options.part;
    for (const { end } of this.#databases) {
      end.short = isWhole && isShort(end);
      // SCAN TYPE looks up every key that it passes, shown or not.
      if (plan.knownType) plan.lookups.hits += end.keys_before ?? end.seen;
    }
    return {
      reason,
      detail,
      databases: this.#databases.map(({ end }) => end),
      slots_moved: !this.#isLost() && (await haveMoved(this.control, slots, this.#slotsAtStart())),
      estimated: plan.estimated,
      missing: plan.missing,
      lookups: plan.lookups,
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
