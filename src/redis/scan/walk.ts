import type { KeyFact, KeySink } from '../key-fact.js';
import { ProtocolError, type ReplyError } from '../resp.js';
import { type ActiveRange, activate, type Batch, type Range } from './batches.js';
import { Deliverer } from './deliver.js';
import type { Pace } from './pace.js';
import { type CursorOrder, cursorAt, isCoarser, positionOf, WHOLE } from './position.js';
import type { Plan } from './questions.js';
import { ScanReply } from './replies.js';
import { command, type ReplyStream } from './stream.js';

export interface WalkOptions {
  db: number;
  order: CursorOrder;
  /** DBSIZE; null where it may not be asked: there is one range then. */
  keys: number | null;
  count: number;
  /** Milliseconds. */
  roundTrip: number;
}

/** Names in one SCAN reply, in bytes, beyond which the next one asks for fewer keys. */
const LARGE_REPLY = 1024 * 1024;

/**
 * Goes through one database with several cursors at once, each through its own range of positions, and
 * hands every key to the sink once.
 *
 * None is missed: a cursor visits all that lies between it and the one it returns, whatever the table does
 * meanwhile (position.ts), and the ranges lie side by side. None comes twice: a range's last SCAN reaches
 * into the next range, whose cursor has seen or will see those keys; so the border is read once more,
 * from the end of the range to beyond where that SCAN stopped, and what is found there is left to the
 * next range. A shrinking table repeats keys; see RecentKeys.
 */
export class Walk {
  #ranges: ActiveRange[];
  /** The length of all ranges. */
  readonly #whole: bigint;
  /** Batches whose questions have not been sent. */
  #ready: Batch[] = [];
  /** What is left to send of the batch whose turn it is. */
  #writes: (() => void)[] = [];
  /** Ranges whose first reply is still to come: no key is handed over before all of them make sense. */
  #untried: number;
  #sense = true;
  /** Batches that the sink is not done with yet. */
  #held = 0;
  #deliverer: Deliverer;
  #stopped = false;

  constructor(
    private readonly stream: ReplyStream,
    private readonly plan: Plan,
    ranges: readonly Range[],
    private readonly options: WalkOptions,
    private readonly pace: Pace,
    sink: KeySink,
    fact: KeyFact,
    private readonly hooks: {
      /** A batch has been handed to the sink. Nothing more is asked before what is returned is fulfilled. */
      onBatch(): Promise<unknown> | undefined;
      onEnd(): void;
      /** The server refuses to go on. */
      onError(error: ReplyError): void;
      /** The sink or a hook threw. */
      onThrow(error: Error): void;
    },
  ) {
    this.#ranges = ranges.map((range) => activate(range, options.count));
    this.#whole = ranges.reduce(
      (sum, { at, end }) => sum + (end ?? WHOLE) - positionOf(at, options.order),
      0n,
    );
    this.#untried = this.#ranges.length > 1 ? this.#ranges.length : 0;
    fact.db = options.db;
    this.#deliverer = new Deliverer(stream, plan, sink, fact, options.roundTrip, {
      answered: () => this.#pump(),
      done: (batch) => this.#delivered(batch),
      refused: (error) => hooks.onError(error),
      threw: (error) => hooks.onThrow(error),
    });
  }

  get tally() {
    return this.#deliverer.tally;
  }

  start(): void {
    this.pace.onOpen = () => {
      try {
        this.#pump();
      } catch (error) {
        this.hooks.onThrow(error as Error);
      }
    };
    for (const range of this.#ranges) this.#ask(range, range.at);
    if (this.#ranges.length === 0) this.hooks.onEnd();
  }

  /** Nothing more is asked, and no answer counts; a batch that is being handed over is so in full. */
  stop(): void {
    this.#stopped = true;
    this.#deliverer.stop();
  }

  get cursors(): number {
    return this.#ranges.length;
  }

  /** What is left to visit. */
  left(): Range[] {
    return this.#ranges.filter(({ finished }) => !finished).map(({ at, end }) => ({ at, end }));
  }

  /** The part of the table that is with the sink, 0 to 1; null where cursors do not tell. */
  done(): number | null {
    if (this.options.order === 'opaque') return null;
    if (this.#whole === 0n) return 1;
    const length = ({ at, end }: Range) => (end ?? WHOLE) - this.#position(at);
    const left = this.left().reduce((sum, range) => sum + length(range), 0n);
    return 1 - Number(left) / Number(this.#whole);
  }

  #ask(range: ActiveRange, cursor: string): void {
    this.stream.write(...this.#scan(range, cursor));
  }

  #scan(range: ActiveRange, cursor: string): [string, ScanReply] {
    return [
      this.#scanCommand(range, cursor),
      new ScanReply((reply) => this.#scanned(range, cursor, reply)),
    ];
  }

  #scanCommand({ count }: ActiveRange, cursor: string): string {
    return command('SCAN', cursor, ...this.plan.filter, 'COUNT', count);
  }

  #scanned(range: ActiveRange, from: string, reply: ScanReply): void {
    if (this.#stopped) return;
    if (reply.error) {
      this.hooks.onError(reply.error);
      return;
    }
    if (this.#untried > 0 && !this.#try(range, from, reply)) return;
    if (reply.bytes > LARGE_REPLY)
      range.count = Math.max(1, Math.floor((range.count * LARGE_REPLY) / reply.bytes));
    const batch = { keys: reply.keys, next: reply.cursor, last: reply.cursor === '0', range };
    const reached = this.#reached(reply.cursor);
    const mayRepeat = this.options.order !== 'dict' || isCoarser(reached, this.#position(from));
    batch.keys = range.recent.fresh(batch.keys, mayRepeat);
    const { end } = range;
    if (end !== null) {
      if (reached <= this.#position(from))
        throw new ProtocolError('the cursors of SCAN are not in the order that is known of Redis');
      batch.last = reached >= end;
    }
    if (end !== null && reached > end) this.#border(batch, reached);
    else this.#queue(batch);
  }

  /**
   * The first replies of several cursors: each must have come about as far as COUNT of DBSIZE. Else
   * the cursors mean something else (a proxy, a fork, slots in them), and one goes alone, from the start.
   */
  #try(range: ActiveRange, from: string, { cursor }: ScanReply): boolean {
    const { keys, order } = this.options;
    const came = Number(this.#reached(cursor) - this.#position(from)) / Number(WHOLE);
    const expected = range.count / Math.max(keys ?? 0, 1);
    // Tables that have lost most of their keys are sparse: SCAN stops after 10 x COUNT buckets.
    const far = order === 'slots' ? came > 0 : came > expected / 64 && came < expected * 16;
    if (!far) this.#sense = false;
    this.#untried -= 1;
    if (this.#untried > 0 || this.#sense) return true;
    this.#ready = [];
    this.#ranges = [activate({ at: '0', end: null }, this.options.count)];
    this.#ask(this.#ranges[0] as ActiveRange, '0');
    return false;
  }

  /** Leaves to the next range what the last SCAN of this one has shown of it. */
  #border(batch: Batch, until: bigint): void {
    const { range } = batch;
    const beyond = new Set<string>();
    const read = (cursor: string) => {
      const reader = new ScanReply((reply) => {
        if (this.#stopped || !this.#ranges.includes(range)) return;
        if (reply.error) {
          this.hooks.onError(reply.error);
          return;
        }
        for (const key of reply.keys) beyond.add(key);
        if (this.#reached(reply.cursor) < until) {
          read(reply.cursor);
          return;
        }
        batch.keys = batch.keys.filter((key) => !beyond.has(key));
        this.#queue(batch);
      });
      this.stream.write(this.#scanCommand(range, cursor), reader);
    };
    read(cursorAt(range.end as bigint, this.options.order));
  }

  #queue(batch: Batch): void {
    const { range } = batch;
    if (batch.keys.length === 0 && range.under) range.held = batch;
    else {
      range.under = batch;
      this.#ready.push(batch);
    }
    // For a held one too: it may be the last reply that was awaited, while others wait for their slice.
    this.#pump();
  }

  #hold(ready: Promise<unknown>): void {
    this.#held += 1;
    const go = () => {
      this.#held -= 1;
      this.#pump();
    };
    ready.then(go).catch((error: Error) => this.hooks.onThrow(error));
  }

  #pump(): void {
    while (this.#untried === 0 && this.#held === 0 && !this.#stopped) {
      if (this.#writes.length === 0) this.#writes = this.#next();
      if (this.#writes.length === 0 || !this.pace.allows(this.#inFlight())) break;
      this.#writes.shift()?.();
    }
    if (this.stream.pending === 0 && this.#writes.length > 0) this.pace.drained();
  }

  /** Not where a batch is asked about twice: the one behind it would overtake it. */
  get #asksAhead(): boolean {
    const { columns, estimated, exact } = this.plan;
    return columns.length > 0 && !estimated && !exact;
  }

  /** SCANs alone count where nothing is asked of the keys; elsewhere they come with the questions. */
  #inFlight(): number {
    return this.plan.columns.length > 0 ? this.#deliverer.outstanding : this.stream.pending;
  }

  /** The next SCAN goes ahead of a batch's questions: its reply is there when they are answered. */
  #next(): (() => void)[] {
    const batch = this.#ready.shift();
    if (!batch) return [];
    const scan = this.#asksAhead && !batch.last ? this.#scan(batch.range, batch.next) : undefined;
    return this.#deliverer.writes(batch, scan);
  }

  #delivered(batch: Batch): void {
    const { range, next, last } = batch;
    range.at = next;
    range.finished = last;
    if (range.under === batch) range.under = undefined;
    if (this.#stopped) return;
    if (!last && !this.#asksAhead) this.#ask(range, next);
    const ready = this.hooks.onBatch();
    if (ready) this.#hold(ready);
    const { held } = range;
    range.held = undefined;
    if (held) this.#queue(held);
    if (last && this.#ranges.every(({ finished }) => finished)) this.hooks.onEnd();
    else this.#pump();
  }

  #position(cursor: string): bigint {
    return positionOf(cursor, this.options.order);
  }

  /** A returned cursor of 0 is the end. */
  #reached(cursor: string): bigint {
    return cursor === '0' ? WHOLE : this.#position(cursor);
  }
}
