import { ownCopy } from './copy.js';
import { isName, mergeNode, overflowLabel, PrefixNode } from './node.js';
import { CLOSE, ID, idStart, looksLikeId, OTHER, separatorOf } from './segment.js';

/** Deeper parts of a key belong to the group at this depth. */
export const DEEPEST = 12;

/** No name is longer: a key may have 512 MB. */
const LONGEST = 128;

/** How many names a node may have; the root more, because an estate may have many applications. */
const NAMES = 512;
const ROOT_FACTOR = 4;
/** The fewest that they may become when there are too many nodes. */
const FEWEST_NAMES = 64;

/** A name with fewer keys does not outlive its node's overflow. */
const FEWEST_KEYS = 3;

/**
 * The tree of prefixes, learned from the keys while they come. Parts that look like ids share one
 * child. A node with too many names loses the rare ones to `{id}`, with all that is below them; when
 * there are too many nodes nevertheless, the smallest are put together as `{other}`. Every key is in
 * exactly one node, so that totals stay exact. A name that is rare now and frequent later would be
 * lost, but keys come in the order of hash tables, which is none.
 */
export class PrefixTree {
  root = new PrefixNode('');
  nodes = 1;
  /** How many names a node may have by now. */
  names = NAMES;

  constructor(private readonly budget: number) {}

  /** The node where a key belongs. */
  find(key: string): PrefixNode {
    let separator = ':';
    let mark = '';
    let end = key.indexOf(separator);
    if (end < 0) {
      ({ separator, mark } = separatorOf(key));
      end = key.indexOf(separator);
    }
    let node = this.root;
    let start = 0;
    let depth = 1;
    for (; end >= 0 && depth <= DEEPEST; depth += 1) {
      node = this.#step(node, key, start, end, start === 0 ? '' : mark);
      start = end + 1;
      end = key.indexOf(separator, start);
    }
    if (depth <= DEEPEST) node = this.#step(node, key, start, key.length, start === 0 ? '' : mark);
    // Only now: to make room in the middle of a key could take away the node where it is.
    if (this.nodes > this.budget) {
      this.#makeRoom();
      return this.find(key);
    }
    return node;
  }

  #step(node: PrefixNode, key: string, start: number, end: number, mark: string): PrefixNode {
    const last = key.charCodeAt(end - 1);
    // A name that is there already needs no look at its characters.
    const guess = start < end && looksLikeId(key.charCodeAt(start), last);
    const known = guess || mark !== '' ? undefined : node.named(key, start, end);
    if (known) return known;
    if (end - start > LONGEST) return this.#enter(node, mark + ID);
    const id = start < end ? idStart(key, start, end) : -1;
    if (id < 0) {
      const name = key.substring(start, end);
      return guess || mark !== '' ? this.#enter(node, mark + name) : this.#admit(node, name);
    }
    if (id > start && mark === '' && last !== CLOSE) {
      const named = node.namedId(key, start, id);
      if (named) return named;
    }
    if (id > start || mark !== '' || last === CLOSE) {
      const brace = last === CLOSE && end - 1 > id ? '}' : '';
      return this.#enter(node, `${mark}${key.substring(start, id)}${ID}${brace}`);
    }
    return node.id ?? this.#enter(node, ID);
  }

  /** The child with this label, or what stands for it. */
  #enter(node: PrefixNode, label: string): PrefixNode {
    const there = label === ID ? node.id : node.children?.get(label);
    return there ?? this.#admit(node, label);
  }

  /** What a label that has no child gets: a new one, or the one that is for all such. */
  #admit(node: PrefixNode, label: string): PrefixNode {
    const { overflow } = node;
    if (overflow === OTHER) return node.children?.get(OTHER) ?? this.#child(node, OTHER);
    if (overflow === ID && isName(label)) {
      const all = overflowLabel(label, ID);
      return all === ID && node.id ? node.id : this.#child(node, all);
    }
    const child = this.#child(node, ownCopy(label, 'utf16le'));
    const names = node.children?.size ?? 0;
    if (names > this.#namesOf(node)) {
      this.#collapse(node);
      return this.#enter(node, label);
    }
    return child;
  }

  #namesOf(node: PrefixNode): number {
    return node === this.root ? this.names * ROOT_FACTOR : this.names;
  }

  #child(node: PrefixNode, label: string): PrefixNode {
    return node.child(label, () => {
      this.nodes += 1;
    });
  }

  /** Puts the rare names of a node, and all below them, into its `{id}`. */
  #collapse(node: PrefixNode): void {
    const before = node.size();
    const least = Math.max(FEWEST_KEYS, (2 * node.keys()) / this.#namesOf(node));
    const grown = new Set<PrefixNode>();
    node.overflow ??= ID;
    for (const child of [...(node.children?.values() ?? [])]) {
      if (!isName(child.label) || child.keys() >= least) continue;
      node.remove(child);
      const ids = node.child(overflowLabel(child.label, ID), () => {});
      mergeNode(ids, child, false);
      grown.add(ids);
    }
    this.nodes += node.size() - before;
    for (const ids of grown) this.#shrink(ids);
  }

  /** Collapses what has too many names here and below. */
  #shrink(node: PrefixNode): void {
    if ((node.children?.size ?? 0) > this.#namesOf(node)) this.#collapse(node);
    for (const child of node.all()) this.#shrink(child);
  }

  /** First fewer names to a node, which keeps the shape; then the smallest groups as `{other}`. */
  #makeRoom(): void {
    while (this.nodes > this.budget * 0.75 && this.names > FEWEST_NAMES) {
      this.names /= 2;
      this.#shrink(this.root);
    }
    for (let least = 2; this.nodes > this.budget * 0.75; least *= 2) this.#fold(this.root, least);
  }

  /** Puts groups of fewer than `least` keys into `{other}`; returns the keys of the node. */
  #fold(node: PrefixNode, least: number): number {
    let keys = node.own?.keys ?? 0;
    for (const child of [...node.all()]) {
      const below = this.#fold(child, least);
      keys += below;
      if (below >= least || child.label === OTHER) continue;
      node.overflow = OTHER;
      node.remove(child);
      this.nodes -= child.size();
      const other = this.#child(node, OTHER);
      for (const each of everyNode(child)) if (each.own) other.sum().merge(each.own);
    }
    return keys;
  }

  /** Goes on from the tree of a checkpoint. */
  take(root: PrefixNode, names: number): void {
    this.root = root;
    this.names = names;
    this.nodes = root.size();
  }

  merge(other: PrefixTree): void {
    mergeNode(this.root, other.root, true);
    this.names = Math.min(this.names, other.names);
    this.nodes = this.root.size();
    if (this.nodes > this.budget) this.#makeRoom();
  }
}

function* everyNode(node: PrefixNode): Generator<PrefixNode> {
  yield node;
  for (const child of node.all()) yield* everyNode(child);
}
