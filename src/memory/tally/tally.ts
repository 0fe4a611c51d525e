import type { KeyFact, KeySink } from '../../redis/key-fact.js';
import { Buckets, SIZE_BOUNDS, sizeClass, TTL_BOUNDS, ttlClass } from './buckets.js';
import { ownCopy } from './copy.js';
import { type NodeState, nodeState, restoreNode } from './node.js';
import { bucketOf } from './sizes.js';
import { Sum, type SumState, sumOf } from './sum.js';
import { type KeptKey, Top } from './top.js';
import { PrefixTree } from './tree.js';

export interface TallyOptions {
  /** Whose keys they are; kept with the largest. */
  server: string;
  /** How many of the largest keys are kept, over all and of each type. */
  top?: number;
  topByType?: number;
  /** Most nodes of the prefix tree: about 1 KB of memory each. */
  nodes?: number;
}

/** Modules may have any number of types; what comes after so many is one type together. */
const MOST_TYPES = 64;
const OTHER_TYPES = 'other';

/** All that is summed up of one type. */
class TypeTally {
  readonly sum = new Sum();
  /** Null as soon as one key's is not known. */
  elements: number | null = 0;

  constructor(readonly top: Top) {}
}

/**
 * Sums up the keys of one server in bounded memory: totals, types, databases, prefixes, histograms
 * and the largest keys. Tallies of several servers are merged for the report of a cluster.
 */
export class Tally implements KeySink {
  readonly server: string;
  readonly types = new Map<string, TypeTally>();
  readonly databases = new Map<number, Sum>();
  readonly sizes = new Buckets(SIZE_BOUNDS.length);
  readonly ttls = new Buckets(TTL_BOUNDS.length);
  readonly tree: PrefixTree;
  readonly top: Top;
  keys = 0;
  bytes = 0;
  readonly topByType: number;
  #lastDb = -1;
  #dbSum = new Sum();
  #lastName: string | undefined;
  #lastType = new TypeTally(new Top(0));

  constructor({ server, top = 100, topByType = 20, nodes = 20_000 }: TallyOptions) {
    this.server = server;
    this.top = new Top(top);
    this.topByType = topByType;
    this.tree = new PrefixTree(nodes);
  }

  add(fact: Readonly<KeyFact>): void {
    const { key, bytes, ttl_ms: ttl } = fact;
    const bucket = bucketOf(bytes);
    const expires = ttl !== null;
    this.keys += 1;
    this.bytes += bytes;
    this.tree.find(key).sum().add(bytes, bucket, expires);
    this.sizes.add(sizeClass(bytes), bytes);
    this.ttls.add(ttlClass(ttl), bytes);
    if (fact.db !== this.#lastDb) {
      this.#lastDb = fact.db;
      this.#dbSum = sumOf(this.databases, fact.db);
    }
    this.#dbSum.add(bytes, bucket, expires);
    if (fact.type !== this.#lastName) {
      this.#lastName = fact.type;
      this.#lastType = this.types.get(fact.type) ?? this.#newType(fact.type);
    }
    const type = this.#lastType;
    type.sum.add(bytes, bucket, expires);
    if (fact.elements === null) type.elements = null;
    else if (type.elements !== null) type.elements += fact.elements;
    const overall = this.top.takes(bytes, key);
    const ofType = type.top.takes(bytes, key);
    if (!overall && !ofType) return;
    const kept = { ...fact, key: ownCopy(key, 'latin1'), server: this.server };
    if (overall) this.top.add(kept);
    if (ofType) type.top.add(kept);
  }

  /** Every key that is kept by itself, once: to have its encoding and so on filled in. */
  kept(): Set<KeptKey> {
    return new Set([this.top, ...[...this.types.values()].map(({ top }) => top)].flatMap(sorted));
  }

  /** Adds the keys of another tally, which stays as it is. */
  merge(other: Tally): this {
    this.keys += other.keys;
    this.bytes += other.bytes;
    this.tree.merge(other.tree);
    this.sizes.merge(other.sizes);
    this.ttls.merge(other.ttls);
    for (const [db, sum] of other.databases) sumOf(this.databases, db).merge(sum);
    for (const key of other.top.sorted()) this.top.add(key);
    for (const [name, { sum, elements, top }] of other.types) {
      const type = this.types.get(name) ?? this.#newType(name);
      type.sum.merge(sum);
      type.elements = elements === null || type.elements === null ? null : type.elements + elements;
      for (const key of top.sorted()) type.top.add(key);
    }
    return this;
  }

  /** All of it as JSON has it: what a checkpoint holds. A few MB at most. */
  toJSON(): TallyState {
    return {
      format: 1,
      server: this.server,
      keys: this.keys,
      bytes: this.bytes,
      names: this.tree.names,
      tree: nodeState(this.tree.root),
      sizes: this.sizes,
      ttls: this.ttls,
      databases: [...this.databases].map(([db, sum]) => [db, sum.toJSON()]),
      types: [...this.types].map(([type, { sum, elements, top }]) => ({
        type,
        sum: sum.toJSON(),
        elements,
        top: top.sorted(),
      })),
      top: this.top.sorted(),
    };
  }

  /** The tally that a checkpoint was made of; it goes on as if it had never stopped. */
  static restore(state: TallyState, options: Omit<TallyOptions, 'server'> = {}): Tally {
    const tally = new Tally({ ...options, server: state.server });
    tally.keys = state.keys;
    tally.bytes = state.bytes;
    tally.tree.take(restoreNode(state.tree), state.names);
    tally.sizes.merge(state.sizes);
    tally.ttls.merge(state.ttls);
    for (const [db, sum] of state.databases) tally.databases.set(db, Sum.restore(sum));
    // A key that was in two lists is one again, so that what is filled in is in both.
    const kept = new Map(state.top.map((key) => [JSON.stringify(key), key]));
    for (const key of state.top) tally.top.add(key);
    for (const { type, sum, elements, top } of state.types) {
      const restored = tally.#newType(type);
      restored.sum.merge(Sum.restore(sum));
      restored.elements = elements;
      for (const key of top) restored.top.add(kept.get(JSON.stringify(key)) ?? key);
    }
    return tally;
  }

  #newType(name: string): TypeTally {
    const known = this.types.size < MOST_TYPES ? name : OTHER_TYPES;
    let type = this.types.get(known);
    if (!type) {
      type = new TypeTally(new Top(this.topByType));
      this.types.set(known, type);
    }
    return type;
  }
}

export interface TallyState {
  format: 1;
  server: string;
  keys: number;
  bytes: number;
  names: number;
  tree: NodeState;
  sizes: Pick<Buckets, 'keys' | 'bytes'>;
  ttls: Pick<Buckets, 'keys' | 'bytes'>;
  databases: [db: number, sum: SumState][];
  types: { type: string; sum: SumState; elements: number | null; top: KeptKey[] }[];
  top: KeptKey[];
}

const sorted = (top: Top): KeptKey[] => top.sorted();
