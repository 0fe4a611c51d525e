import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyFact, KeySink } from '../key-fact.js';
import type { ReplyError } from '../resp.js';
import { estimateBytes, lengthCommand } from './estimate.js';
import { asker, isKeyRefusal, mayBeReckoned, type Plan, refusal } from './questions.js';
import { NIL, type ScanReply, ShortReplies } from './replies.js';
import { command, type ReplyStream } from './stream.js';
import type { Tally } from './types.js';
import type { Batch } from './walk.js';

/**
 * Bytes of one write. Redis works off what it has read, 16 KB or more where they are there, before it turns to
 * its other clients (PROTO_IOBUF_LEN in src/server.h, readQueryFromClient in src/networking.c): small
 * writes, few of them under way, keep these turns short.
 */
const WRITE = 8 * 1024;
/** About what a question takes beside the key. */
const QUESTION = 40;

/** A batch whose keys are being asked about. */
interface Asked {
  batch: Batch;
  types: (string | undefined)[];
  sizes: Float64Array;
  ttls: Float64Array;
  /** Keys that are out, and why; the others go to the sink. */
  out: Map<number, Exclude<keyof Tally, 'seen'>>;
}

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
  /** The end of the line of large keys. */
  #large: Promise<void> = Promise.resolve();

  constructor(
    private readonly stream: ReplyStream,
    private readonly plan: Plan,
    private readonly sink: KeySink,
    private readonly fact: KeyFact,
    private readonly hooks: {
      /** A write has been answered, and more of its batch are to come. */
      answered(): void;
      done(batch: Batch): void;
      refused(error: ReplyError): void;
      /** The sink threw, outside of a reply. */
      threw(error: Error): void;
    },
  ) {
    this.#ask = asker(plan);
    const at = (column: Plan['columns'][number]) => plan.columns.indexOf(column);
    this.#at = { type: at('type'), size: at('size'), ttl: at('ttl') };
  }

  stop(): void {
    this.#stopped = true;
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
      else this.hooks.answered();
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
  #fail(asked: Asked, index: number, error: ReplyError): void {
    if (isKeyRefusal(error)) asked.out.set(index, 'unreadable');
    else if (error.code === 'MOVED' || error.code === 'ASK' || error.code === 'TRYAGAIN')
      asked.out.set(index, 'moved');
    else if (error.code === 'WRONGTYPE') asked.out.set(index, 'vanished');
    else this.hooks.refused(error);
  }

  #answered(asked: Asked): void {
    if (this.plan.estimated) this.#estimate(asked);
    else if (this.plan.exact) this.#measure(asked);
    else this.#deliver(asked);
  }

  /**
   * Every element of the large keys: a call may hold the server for 20 ms, so these go one at a time over
   * all ranges, and the server has as long to itself after each.
   */
  #measure(asked: Asked): void {
    const { batch, types, sizes, out } = asked;
    const isLarge = (index: number) =>
      !out.has(index) && mayBeReckoned(types[index] ?? this.plan.knownType, sizes[index] as number);
    const large = Array.from(batch.keys.keys()).filter(isLarge);
    if (large.length === 0) {
      this.#deliver(asked);
      return;
    }
    this.#large = large.reduce(
      (before, index) => before.then(() => this.#measureOne(asked, index)),
      this.#large,
    );
    this.#large = this.#large.then(() => {
      if (!this.#stopped) this.#deliver(asked);
    });
    this.#large.catch((error: Error) => this.hooks.threw(error));
  }

  async #measureOne(asked: Asked, index: number): Promise<void> {
    if (this.#stopped) return;
    const start = performance.now();
    const key = asked.batch.keys[index] as string;
    await new Promise<void>((resolve) => {
      const reader = new ShortReplies(1, ({ values, errors }) => {
        const error = errors.get(0);
        if (error) this.#fail(asked, index, error);
        else if (values[0] === NIL) asked.out.set(index, 'vanished');
        else asked.sizes[index] = values[0] as number;
        resolve();
      });
      this.stream.write(command('MEMORY', 'USAGE', key, 'SAMPLES', 0), reader);
    });
    await sleep(performance.now() - start);
  }

  /** Lengths in place of sizes, now that the types are known. */
  #estimate(asked: Asked): void {
    const { batch, types, sizes, out } = asked;
    let text = '';
    const places: number[] = [];
    batch.keys.forEach((key, index) => {
      const type = types[index] ?? this.plan.knownType ?? '';
      const name = lengthCommand(type);
      sizes[index] = estimateBytes(type, key, 0);
      if (!name || out.has(index)) return;
      text += command(name, key);
      places.push(index);
    });
    if (places.length === 0) {
      this.#deliver(asked);
      return;
    }
    this.stream.write(
      text,
      new ShortReplies(places.length, ({ values, errors }) => {
        if (this.#stopped) return;
        places.forEach((index, place) => {
          const type = types[index] ?? this.plan.knownType ?? '';
          const error = errors.get(place);
          if (error) this.#lengthRefused(asked, index, type, error);
          else
            sizes[index] = estimateBytes(
              type,
              batch.keys[index] as string,
              values[place] as number,
            );
          if (!error) this.plan.lookups.hits += 1;
        });
        if (!this.#stopped) this.#deliver(asked);
      }),
    );
  }

  #lengthRefused(asked: Asked, index: number, type: string, error: ReplyError): void {
    const why = refusal(error);
    if (!why) {
      this.#fail(asked, index, error);
      return;
    }
    const name = lengthCommand(type) ?? '';
    if (this.plan.missing.some(({ command }) => command === name)) return;
    this.plan.missing.push({ command: name, why, instead: `the size of a ${type} is not known` });
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
