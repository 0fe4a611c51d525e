import { messageOf } from '../../errors.js';
import type { KeySink } from '../key-fact.js';
import { Crc64 } from './crc64.js';
import { CorruptError } from './cursor.js';
import { Parser, type RdbDatabase, type RdbEncoding } from './parser.js';
import type { Quantum } from './sizes.js';
import { openSource, type Source } from './source.js';
import type { Magic } from './types.js';

export type { RdbDatabase, RdbEncoding } from './parser.js';

export interface RdbHooks {
  /** Called about every 2 MB. `total` is null where only the end will tell. */
  progress?(state: { bytes: number; total: number | null; keys: number }): void;
  /** How many bytes a stream will have, where that is known. */
  total?: number;
  /** Ends reading early; what was read is returned, `interrupted`. */
  signal?: AbortSignal;
  /** Whether to check the sum at the end, which takes as long again as reading: up to 64 MB it is done unasked. */
  verify?: boolean;
  /** What times to live are counted from when the file does not say when it was written: ms, now. */
  now?: number;
  /** The step of the allocator's size classes: 16 unless given, see Quantum. */
  quantum?: Quantum;
}

/** Where reading had to stop: bytes from the beginning, what should be there and what is. */
export interface RdbProblem {
  offset: number;
  expected: string;
  found: string;
}

/** How a file ended. All of it holds for what was read when there is a problem, or it was interrupted. */
export interface RdbEnd {
  /** Null when the file is no RDB, or one of an unknown version. */
  magic: Magic | null;
  version: number | null;
  /** What the file says of itself: `redis-ver` or `valkey-ver`, `redis-bits`, `ctime`, `used-mem`, ... */
  aux: ReadonlyMap<string, string>;
  /** When it was written (`ctime`), or `now`: times to live are counted from then. ms. */
  moment: number;
  keys: number;
  /** Keys longer than 16 MB, of which only the first 16 MB were handed on. */
  keysCut: number;
  databases: RdbDatabase[];
  encodings: RdbEncoding[];
  functions: number;
  /** Modules that put something beside the keys. */
  modules: string[];
  /** Bytes read up to the end mark and its sum, or to the problem; of how many, where that is known. */
  bytes: number;
  total: number | null;
  /** `absent`: written with `rdbchecksum no`. `unchecked`: not asked for, or not reached. */
  checksum: 'verified' | 'wrong' | 'absent' | 'unchecked';
  problem: RdbProblem | undefined;
  interrupted: boolean;
}

/**
 * Reads an RDB from a file or a stream and hands every key to the sink, its memory an estimate of what
 * MEMORY USAGE would say on Redis 7.0. Of what is wrong in the input nothing is thrown: it is the
 * `problem` of the result. Throws CacheOpsError when the file cannot be opened, and what the sink throws.
 */
export async function readRdb(
  input: AsyncIterable<Uint8Array> | string,
  sink: KeySink,
  hooks: RdbHooks = {},
): Promise<RdbEnd> {
  const { now = Date.now(), quantum = 16, total = null } = hooks;
  const source = await openSource(input, total);
  try {
    const reading = new Reading(source, new Parser(sink, { now, quantum }), hooks);
    await reading.run();
    return reading.end();
  } finally {
    await source.close();
  }
}

const WINDOW = 2 * 2 ** 20;
/** Room in front of a window for what the one before it left over. */
const HEADROOM = 64 * 2 ** 10;
const NONE = Buffer.alloc(0);
const VERIFIED_UNASKED = 64 * 2 ** 20;

/** One run over a source: while a window is read by the parser, the next is filled. */
class Reading {
  #windows = [Buffer.allocUnsafe(HEADROOM + WINDOW), Buffer.allocUnsafe(HEADROOM + WINDOW)];
  /** For units that are longer than the headroom: keys. */
  #long = NONE;
  #crc: Crc64 | undefined;
  #bytes = 0;
  #problem: RdbProblem | undefined;
  #interrupted = false;

  constructor(
    private readonly source: Source,
    private readonly parser: Parser,
    private readonly hooks: RdbHooks,
  ) {
    const { verify = source.total !== null && source.total <= VERIFIED_UNASKED } = hooks;
    if (verify) this.#crc = new Crc64();
  }

  async run(): Promise<void> {
    const { parser, hooks } = this;
    let next = this.#fill(0);
    for (let turn = 0; parser.sum === undefined && !this.#problem; turn += 1) {
      const count = await unlessAborted(next, hooks.signal);
      if (count === undefined) this.#interrupted = true;
      else if (count instanceof Error) this.#stop(this.#bytes, parser.unfinished, messageOf(count));
      else if (count === 0) this.#stop(this.#bytes, parser.unfinished, 'the end of the input');
      else {
        const window = this.#join(turn, count);
        next = this.#fill(turn + 1);
        this.#parse();
        this.#crc?.update(
          window,
          HEADROOM,
          HEADROOM + Math.min(count, parser.endOffset - this.#bytes),
        );
        this.#bytes += count;
        hooks.progress?.({ bytes: this.#bytes, total: this.source.total, keys: parser.keys });
      }
      if (this.#interrupted) return;
    }
  }

  end(): RdbEnd {
    const { parser } = this;
    const checksum = this.#checksum();
    return {
      magic: parser.magic,
      version: parser.version,
      aux: parser.aux,
      moment: parser.moment,
      keys: parser.keys,
      keysCut: parser.cursor.cut,
      databases: parser.databases,
      encodings: parser.encodings,
      functions: parser.functions,
      modules: [...parser.modules],
      bytes:
        parser.sum === undefined
          ? Math.min(parser.cursor.offset, this.#bytes)
          : parser.cursor.offset,
      total: this.source.total,
      checksum,
      problem: this.#problem,
      interrupted: this.#interrupted,
    };
  }

  #checksum(): RdbEnd['checksum'] {
    const { sum, endOffset } = this.parser;
    if (sum === undefined) return 'unchecked';
    if (/^0+$/.test(sum)) return 'absent';
    if (!this.#crc) return 'unchecked';
    const computed = this.#crc.toString();
    if (computed === sum) return 'verified';
    this.#stop(endOffset, `the sum ${computed} of what comes before`, sum);
    return 'wrong';
  }

  /** Never rejects: nobody may be waiting for it any more. */
  #fill(turn: number): Promise<number | Error> {
    const window = this.#windows[turn % 2] as Buffer;
    return this.source.fill(window, HEADROOM).catch((error: Error) => error);
  }

  /** Puts what is left of the last window in front of this one, for the parser to go on. */
  #join(turn: number, count: number): Buffer {
    const { cursor } = this.parser;
    const window = this.#windows[turn % 2] as Buffer;
    const left = cursor.end - cursor.mark;
    if (left > HEADROOM) {
      const fresh = window.subarray(HEADROOM, HEADROOM + count);
      if (cursor.bytes !== this.#long || cursor.end + count > this.#long.length) {
        this.#long = Buffer.allocUnsafe(2 * (left + count));
        cursor.bytes.copy(this.#long, 0, cursor.mark, cursor.end);
        cursor.bytes = this.#long;
        cursor.mark = 0;
        cursor.end = left;
      }
      this.#long.set(fresh, cursor.end);
      cursor.end += count;
    } else {
      this.#long = NONE;
      // With nothing left the mark may be beyond the end: the rest of a value that is passed over.
      if (left > 0) cursor.bytes.copy(window, HEADROOM - left, cursor.mark, cursor.end);
      cursor.bytes = window;
      cursor.mark = HEADROOM - left;
      cursor.end = HEADROOM + count;
    }
    cursor.at = cursor.mark;
    cursor.base = this.#bytes + count - cursor.end;
    return window;
  }

  #parse(): void {
    try {
      this.parser.run();
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error;
      this.#stop(error.offset, error.expected, error.found);
    }
  }

  #stop(offset: number, expected: string, found: string): void {
    this.#problem = { offset, expected, found };
  }
}

/** Undefined when the signal came first. */
async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  if (!signal) return await work;
  if (signal.aborted) return undefined;
  let abort = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    abort = () => resolve(undefined);
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
