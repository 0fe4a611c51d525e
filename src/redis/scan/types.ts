import type { CursorOrder } from './position.js';

/** What to find out about every key. What is not asked is left as null, '' or 0 in the fact. */
export interface Ask {
  type: boolean;
  /**
   * `samples`: MEMORY USAGE with 2,000 samples, within 1.1 % of the truth at 0.16 ms a call at most;
   * `exact`: of larger keys every element is looked at, one key at a time with rests between them: a hash of
   * 200,000 fields holds the server for 21 ms.
   */
  size: 'samples' | 'exact' | 'none';
  ttl: boolean;
}

export interface PaceOptions {
  /** Milliseconds above the idle round trip that other clients may come to wait; null: whatever. */
  maxLatencyMs: number | null;
  /** The share of the time in which the server is worked with, above 0 to 1. */
  duty: number;
}

export interface ScanOptions {
  /** `all`: those that hold keys. A cluster has only 0. */
  databases: 'all' | readonly number[];
  /** A glob as SCAN MATCH takes it, one character a byte. */
  match?: string;
  /** Only keys of this type: one that TYPE answers. */
  type?: string;
  ask: Ask;
  /** Only one of `of` equal ranges of the hash table, a random sample of the keys; `of` is a power of two. */
  part?: { part: number; of: number };
  pace?: Partial<PaceOptions>;
  /** Goes on when the server begins to evict keys, which ends the scan otherwise. */
  evicting?: boolean;
  /** Cursors that go through the table at once: a power of two, or as many as the round trip wants. */
  cursors?: 'auto' | number;
  /** The server is a node of a cluster. */
  cluster?: boolean;
  /** Goes on where an earlier scan with the same options ended. Throws StalePositionError. */
  resume?: ScanPosition;
  /** Milliseconds to open a connection and to wait for an answer. */
  timeout: number;
}

/** How far a scan has come. A plain object for a file: its content is nobody else's business. */
export interface ScanPosition {
  format: 1;
  /** Another process hashes with another seed: positions are worth nothing there. */
  run_id: string;
  /** What the node had of the cluster's slots at the start; null on a server of its own. */
  slots: string | null;
  databases: DatabasePosition[];
}

export interface DatabasePosition extends Tally {
  db: number;
  order: CursorOrder;
  keys_before: number | null;
  may_repeat: boolean;
  /** What is not yet visited: from a cursor up to a position (hexadecimal), or to the end of the table; null: not begun. */
  ranges: { at: string; end: string | null }[] | null;
}

/** What became of the keys that SCAN showed. */
export interface Tally {
  /** Handed to the sink. */
  seen: number;
  /** Gone between SCAN and the questions. */
  vanished: number;
  /** The user may not read them (key patterns of the ACL). */
  unreadable: number;
  /** Moved to another node of the cluster meanwhile. */
  moved: number;
}

export interface ScanProgress {
  /** Handed to the sink so far, in all databases. */
  keys: number;
  /** What DBSIZE said at the start; null where it may not be asked. With MATCH or a type fewer will come. */
  of: number | null;
  /** The part of the table that is done, 0 to 1; null while it cannot be told. */
  done: number | null;
  /** Keys handed over a second, since the last report. */
  rate: number;
  db: number;
  /** It is slower than it could be, to keep the latency of others down. */
  slowed: boolean;
}

export interface ScanHooks {
  /** About four times a second. */
  progress?(progress: ScanProgress): void;
  /** About once a second: the sink has got exactly what lies before it, nothing more. */
  position?(position: ScanPosition): void;
  /** The sink has got a batch. Nothing more is asked before what is returned is fulfilled. */
  batch?(): Promise<unknown> | undefined;
  signal?: AbortSignal;
}

/** Why a scan ended before its end: aborted by the caller; the connection lost; the server loads, fails over, evicts... */
export type EndReason = 'done' | 'aborted' | 'lost' | 'loading' | 'role' | 'evicting' | 'error';

export interface DatabaseEnd extends Tally {
  db: number;
  /** DBSIZE; null where it may not be asked. */
  keys_before: number | null;
  keys_after: number | null;
  /** The part of the positions that was visited, of those left when it was resumed; null: it cannot be told. */
  done: number | null;
  /** Every position was visited. */
  complete: boolean;
  /** Visited in full and still far fewer than DBSIZE: do not trust it (a proxy, a fork with other cursors). */
  short: boolean;
  /** The table shrank by so much that keys may have been handed over twice, a few a cursor at most. */
  may_repeat: boolean;
}

/** A command that cannot be used, and what that means for the facts. */
export interface Missing {
  command: string;
  why: 'not permitted' | 'unknown';
  instead: string;
}

export interface ScanEnd {
  reason: EndReason;
  /** What happened, in words; '' when done. */
  detail: string;
  databases: DatabaseEnd[];
  /** Slots of the cluster came or went: keys may be missing, or be counted here and on another node. */
  slots_moved: boolean;
  /** Sizes are estimates from STRLEN, HLEN...: not MEMORY USAGE. */
  estimated: boolean;
  missing: Missing[];
  /** What it added to keyspace_hits and keyspace_misses of INFO stats: not the application's. */
  lookups: { hits: number; misses: number };
  /** Where to go on; null when done, or where the server does not say which process it is. */
  position: ScanPosition | null;
  cursors: number;
  took_ms: number;
  /** Round trip before the scan and the longest above it meanwhile, in ms; null where nothing could be timed. */
  latency: { idle_ms: number; worst_ms: number; slowed: number } | null;
}

/** The position is not of this process, so its cursors lead elsewhere: start again. */
export class StalePositionError extends Error {
  override readonly name = 'StalePositionError';
}
