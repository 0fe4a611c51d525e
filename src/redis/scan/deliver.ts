import type { KeyFact, KeySink } from '../key-fact.js';
import type { ReplyError } from '../resp.js';
import type { Asked, Fail } from './asked.js';
import type { Batch } from './batches.js';
import { LargeKeys } from './large.js';
import { askLengths } from './lengths.js';
import { asker, isKeyRefusal, type Plan } from './questions.js';
import { NIL, type ScanReply, ShortReplies } from './replies.js';
import type { ReplyStream } from './stream.js';
import type { Tally } from './types.js';

/**
 * Bytes of one write. Redis works off what it has read, 16 KB or more where they are there, before it turns to
 * its other clients (PROTO_IOBUF_LEN in src/server.h, readQueryFromClient in src/networking.c): small
 * writes, few of them under way, keep these turns short.
 */
const WRITE = 8 * 1024;
/** About what a question takes beside the key. */
const QUESTION = 40;

const NO_TTL = -1;
const NO_KEY = -2;

/** Asks what is wanted of a batch's keys, and hands the whole batch to the sink when all answers are there. */
export class Deliverer {
  /** Writes whose answers are not all there. */
  outstanding = 0;
  readonly tally: Tally = { seen: 0, vanished: 0, unreadable: 0, moved: 0 };
  readonly #ask: (key: string) => string;
  readonly #at: { type: number; size: number; ttl: number };
  #stopped = false;
  readonly #large: LargeKeys;
  /** Of a range with large keys, when its last batch is with the sink: later ones must not overtake it. */
  readonly #late = new Map<Batch['range'], Promise<void>>();

  constructor(
    private readonly stream: ReplyStream,
    private readonly plan: Plan,
    private readonly sink: KeySink,
    private readonly fact: KeyFact,
    /** Round trip to the server in ms. */
    roundTrip: number,
    private readonly hooks: {
      /** A write has been answered. */
      answered(): void;
      done(batch: Batch): void;
      refused(error: ReplyError): void;
      /** The sink threw, outside of a reply. */
      threw(error: Error): void;
    },
  ) {
    this.#ask = asker(plan);
    this.#large = new LargeKeys(stream, plan, roundTrip, this.#fail);
    const at = (column: Plan['columns'][number]) => plan.columns.indexOf(column);
    this.#at = { type: at('type'), size: at('size'), ttl: at('ttl') };
  }

  stop(): void {
    this.#stopped = true;
    this.#large.stop();
  }

  /**
   * The writes that ask about a batch's keys, to be made in this order, and other batches' not between
   * them. `next` is a SCAN that goes ahead of the questions.
   */
  writes(batch: Batch, next?: [string, ScanReply]): (() => void)[] {
    const { keys } = batch;
    const asked: Asked = {
      batch,
      types: new Array(keys.length),
      sizes: new Float64Array(keys.length),
      ttls: new Float64Array(keys.length).fill(NO_TTL),
      out: new Map(),
    };
    if (this.plan.columns.length === 0 || keys.length === 0)
      return [
        () => {
          if (next) this.stream.write(...next);
          this.#answered(asked);
        },
      ];
    const writes: (() => void)[] = [];
    for (let from = 0; from < keys.length; ) {
      let bytes = 0;
      let to = from;
      for (; to < keys.length && bytes < WRITE; to += 1)
        bytes += this.plan.columns.length * (QUESTION + (keys[to] as string).length);
      const [first, last] = [from, to];
      writes.push(() => this.#question(asked, first, last, first === 0 ? next : undefined));
      from = to;
    }
    return writes;
  }

  #question(asked: Asked, from: number, to: number, next?: [string, ScanReply]): void {
    const { keys } = asked.batch;
    let text = next?.[0] ?? '';
    for (let index = from; index < to; index += 1) text += this.#ask(keys[index] as string);
    const reader = new ShortReplies((to - from) * this.plan.columns.length, (replies) => {
      this.outstanding -= 1;
      if (this.#stopped) return;
      this.#read(asked, from, replies);
      if (this.#stopped) return;
      if (to === keys.length) this.#answered(asked);
      this.hooks.answered();
    });
    this.outstanding += 1;
    if (next) this.stream.write(text, next[1], reader);
    else this.stream.write(text, reader);
  }

  #read(asked: Asked, from: number, { values, words, errors }: ShortReplies): void {
    const width = this.plan.columns.length;
    const { type, size, ttl } = this.#at;
    const gone = words.indexOf('none');
    for (const [place, error] of errors) this.#fail(asked, from + Math.floor(place / width), error);
    for (let at = 0, index = from; at < values.length; at += width, index += 1) {
      let there = true;
      if (type >= 0) {
        const word = values[at + type] as number;
        there = word !== gone;
        asked.types[index] = words[word];
      }
      if (size >= 0) {
        const bytes = values[at + size] as number;
        there &&= bytes !== NIL;
        asked.sizes[index] = bytes;
      }
      if (ttl >= 0) {
        const ms = values[at + ttl] as number;
        there &&= ms !== NO_KEY;
        asked.ttls[index] = ms;
      }
      if (!there && !asked.out.has(index)) asked.out.set(index, 'vanished');
    }
  }

  /** What a key cannot be asked: its own matter, or the end of the scan. */
  readonly #fail: Fail = ({ out }, index, error) => {
    if (isKeyRefusal(error)) out.set(index, 'unreadable');
    else if (error.code === 'MOVED' || error.code === 'ASK' || error.code === 'TRYAGAIN')
      out.set(index, 'moved');
    else if (error.code === 'WRONGTYPE') out.set(index, 'vanished');
    else this.hooks.refused(error);
  };

  #answered(asked: Asked): void {
    if (this.plan.estimated) {
      askLengths(this.stream, this.plan, asked, this.#fail, () => {
        if (!this.#stopped) this.#deliver(asked);
      });
      return;
    }
    const { range } = asked.batch;
    const large = this.#large.among(asked);
    const before = this.#late.get(range);
    if (large.length === 0 && !before) {
      this.#deliver(asked);
      return;
    }
    const measured = this.#large.measure(asked, large);
    const delivered = Promise.all([before, measured]).then(() => {
      if (this.#late.get(range) === delivered) this.#late.delete(range);
      if (!this.#stopped) this.#deliver(asked);
    });
    this.#late.set(range, delivered);
    delivered.catch((error: Error) => this.hooks.threw(error));
  }

  #deliver({ batch, types, sizes, ttls, out }: Asked): void {
    const { plan, fact, tally } = this;
    const { keys } = batch;
    const everyType = plan.knownType ?? '';
    for (let index = 0; index < keys.length; index += 1) {
      const why = out.size > 0 ? out.get(index) : undefined;
      if (why) {
        tally[why] += 1;
        this.sink.skip?.(keys[index] as string, why);
        continue;
      }
      fact.type = types[index] ?? everyType;
      if (plan.onlyType !== undefined && fact.type !== plan.onlyType) continue;
      fact.key = keys[index] as string;
      fact.bytes = sizes[index] as number;
      const ttl = ttls[index] as number;
      fact.ttl_ms = ttl === NO_TTL ? null : ttl;
      this.sink.add(fact);
      tally.seen += 1;
    }
    this.#countLookups(keys.length, out);
    this.hooks.done(batch);
  }

  /** TYPE and PTTL count as look-ups of a key in INFO stats, MEMORY USAGE does not (lookupKey in src/db.c). */
  #countLookups(keys: number, out: Asked['out']): void {
    const each = this.plan.columns.filter((column) => column !== 'size').length;
    let missed = 0;
    let unasked = 0;
    for (const why of out.values()) {
      if (why === 'vanished') missed += 1;
      else unasked += 1;
    }
    this.plan.lookups.hits += each * (keys - missed - unasked);
    this.plan.lookups.misses += each * missed;
  }
}
