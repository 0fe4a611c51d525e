import { CacheOpsError } from '../errors.js';
import { explain } from '../redis/advice/explain.js';
import { StageError } from '../redis/channel.js';
import type { KeyFact, KeySink } from '../redis/key-fact.js';
import { ReplyError } from '../redis/resp.js';
import { NOBODY } from '../redis/scan/questions.js';
import { scanServer } from '../redis/scan/scan.js';
import type { ScanEnd } from '../redis/scan/types.js';
import { type Asked, type FoundKey, look } from './look.js';
import type { Master, Masters } from './masters.js';
import { refusedBy } from './rights.js';

/** Which keys are wanted, and what is asked of each. */
export interface Wanted extends Asked {
  /** A Redis glob, or the one key, as bytes; every key where both are left out. */
  match?: string | undefined;
  key?: string | undefined;
}

export interface Batch {
  master: Master;
  keys: FoundKey[];
  /** Names of keys that the user's ACL hides. */
  unreadable: string[];
}

export interface Walked {
  /** Keys that the servers have gone through; null where they do not say how many they have. */
  looked_at: number | null;
  /** False when it was ended early, by the taker or an interruption, or when far too few keys came. */
  complete: boolean;
  /** Gone between being listed and being looked at. */
  vanished: number;
  unreadable: number;
  /** The user may not ask for sizes, or the server cannot tell them. */
  no_sizes: boolean;
  /** Slots of the cluster came or went meanwhile: keys of them may be missing, or come twice. */
  slots_moved: boolean;
}

/** Returns false when it has enough. */
type Take = (batch: Batch) => unknown;

/**
 * Hands the keys of all masters to `take`, batch by batch, all masters at the same time; a master is asked for
 * no more until its batch is taken. Every key that is there all along comes once, unless slots of a cluster
 * move. Ends at a batch's boundary when the signal is aborted. Throws
 * `connect` when a server is lost, loads or changes its role: half of the keys are no answer.
 */
export async function walkKeys(
  masters: Masters,
  wanted: Wanted,
  take: Take,
  signal: AbortSignal,
): Promise<Walked> {
  const { key } = wanted;
  if (key !== undefined) return one(masters, key, wanted, take);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const until: Take = async (batch) => {
    if (!stop.signal.aborted && (await take(batch)) === false) stop.abort();
  };
  const walks = masters.nodes.map((node) =>
    walk(masters, node, wanted, until, either).catch((error: unknown) => {
      stop.abort();
      throw error;
    }),
  );
  // No walk goes on behind the failure of another one.
  await Promise.allSettled(walks);
  const walked = (await Promise.all(walks)).reduce(sum);
  return { ...walked, complete: walked.complete && !either.aborted };
}

async function one(masters: Masters, key: string, wanted: Wanted, take: Take): Promise<Walked> {
  const [master] = masters.nodes;
  // Without facts the one key would count as found without having been looked for.
  const found = await look(masters, master, [key], { ...wanted, facts: true });
  const { keys, unreadable, vanished, no_sizes } = found;
  await take({ master, keys, unreadable });
  const whole = { looked_at: 1, complete: true, slots_moved: false };
  return { ...whole, vanished, unreadable: unreadable.length, no_sizes };
}

function sum(a: Walked, b: Walked): Walked {
  return {
    looked_at: a.looked_at === null || b.looked_at === null ? null : a.looked_at + b.looked_at,
    complete: a.complete && b.complete,
    vanished: a.vanished + b.vanished,
    unreadable: a.unreadable + b.unreadable,
    no_sizes: a.no_sizes || b.no_sizes,
    slots_moved: a.slots_moved || b.slots_moved,
  };
}

async function walk(
  masters: Masters,
  master: Master,
  wanted: Wanted,
  take: Take,
  signal: AbortSignal,
): Promise<Walked> {
  const { no_sizes } = await look(masters, master, [NOBODY], wanted);
  const { facts, match, type } = wanted;
  const asked = { ...wanted, sizes: wanted.sizes && !no_sizes };
  const basket = new Basket(masters, master, asked, take);
  const { cluster, db, timeout, pace } = masters;
  const options = {
    databases: [db],
    ...(match !== undefined && { match }),
    ...(type !== undefined && { type }),
    ask: { type: facts, size: asked.sizes ? 'samples' : 'none', ttl: facts },
    // Who removes keys to make room must find them.
    evicting: true,
    cluster,
    timeout,
    pace,
  } as const;
  let end: ScanEnd;
  try {
    end = await scanServer(master.access, options, basket, {
      signal,
      batch: () => basket.emptied(),
      // A server with a time-out must not take the other connection for a forgotten one.
      progress: () => void master.channel.send('PING').catch(() => {}),
    });
  } catch (error) {
    if (signal.aborted) return { ...NOTHING, ...basket.counts, no_sizes };
    if (error instanceof ReplyError) throw refusedBy(master, 'SCAN', error);
    if (!(error instanceof StageError)) throw error;
    const { reason } = explain(error, master.access);
    throw new CacheOpsError('connect', `${master.address}: ${reason}`);
  }
  await basket.emptied();
  return { ...walked(master, end), ...basket.counts, no_sizes };
}

/** It was ended before it had begun. */
const NOTHING = { looked_at: 0, complete: false, slots_moved: false };

function walked({ address }: Master, scanned: ScanEnd) {
  const { reason, detail, databases, missing, slots_moved } = scanned;
  if (reason !== 'done' && reason !== 'aborted') {
    throw new CacheOpsError('connect', `${address}: ${detail}; not all keys were looked at`);
  }
  const refused = missing.find(({ command }) => command === 'TYPE' || command === 'PTTL');
  if (refused) {
    throw new CacheOpsError('refused', `${address}: ${refused.command} is ${refused.why}`);
  }
  const [end] = databases;
  const { keys_before = null, done = 0, complete = false, short = false } = end ?? {};
  const looked_at = keys_before === null || done === null ? null : Math.round(keys_before * done);
  return { looked_at, complete: complete && !short, slots_moved };
}

/** Holds the keys that have come until they are taken: those of a few batches. */
class Basket implements KeySink {
  readonly counts = { vanished: 0, unreadable: 0 };
  #keys: FoundKey[] = [];
  #unreadable: string[] = [];
  #moved: string[] = [];
  #emptying: Promise<void> | undefined;

  constructor(
    private readonly masters: Masters,
    private readonly master: Master,
    private readonly asked: Asked,
    private readonly take: Take,
  ) {}

  add({ key, type, ttl_ms, bytes }: Readonly<KeyFact>): void {
    this.#keys.push({ key, type, ttl_ms, bytes: this.asked.sizes ? bytes : null });
  }

  skip(key: string, why: 'vanished' | 'unreadable' | 'moved'): void {
    if (why === 'vanished') this.counts.vanished += 1;
    else if (why === 'unreadable') this.#unreadable.push(key);
    else this.#moved.push(key);
  }

  /** Undefined when there is nothing in it. */
  emptied(): Promise<void> | undefined {
    this.#emptying ??= this.#isEmpty()
      ? undefined
      : this.#empty().finally(() => {
          this.#emptying = undefined;
        });
    return this.#emptying;
  }

  #isEmpty(): boolean {
    return this.#keys.length + this.#unreadable.length + this.#moved.length === 0;
  }

  async #empty(): Promise<void> {
    while (!this.#isEmpty()) {
      const [keys, unreadable, moved] = [this.#keys, this.#unreadable, this.#moved];
      [this.#keys, this.#unreadable, this.#moved] = [[], [], []];
      if (moved.length > 0) {
        const looked = await look(this.masters, this.master, moved, this.asked);
        keys.push(...looked.keys);
        unreadable.push(...looked.unreadable);
        this.counts.vanished += looked.vanished;
      }
      this.counts.unreadable += unreadable.length;
      await this.take({ master: this.master, keys, unreadable });
    }
  }
}
