import { ID, markOf, OTHER } from './segment.js';
import { Sum, type SumState } from './sum.js';

/** A part of a key in the tree of all keys. */
export class PrefixNode {
  /** Of the keys that end here; those of its children are in theirs. */
  own: Sum | undefined;
  children: Map<string, PrefixNode> | undefined;
  /** The child for ids set off by a colon, the usual ones: it needs no look-up. */
  id: PrefixNode | undefined;
  /** Where names go that have no child; undefined as long as every new name gets one. */
  overflow: typeof ID | typeof OTHER | undefined;

  /** The child that was asked for last, and the last that is a name with an id after it. */
  #lastName: PrefixNode | undefined;
  #lastNamed: PrefixNode | undefined;

  /** The label without the mark of an id at its end. */
  readonly name: string;

  constructor(readonly label: string) {
    this.name = label.endsWith(ID) ? label.slice(0, -1) : label;
  }

  /** The child that the characters from `start` to `end` name, if it is there. */
  named(key: string, start: number, end: number): PrefixNode | undefined {
    const last = this.#lastName;
    if (last && last.label.length === end - start && key.startsWith(last.label, start)) return last;
    this.#lastName = this.children?.get(key.substring(start, end));
    return this.#lastName;
  }

  /** The child for ids that these characters name (`user_{id}`), if it is there. */
  namedId(key: string, start: number, end: number): PrefixNode | undefined {
    const last = this.#lastNamed;
    if (last && last.label.length === end - start + 1 && key.startsWith(last.name, start)) {
      return last;
    }
    this.#lastNamed = this.children?.get(key.substring(start, end) + ID);
    return this.#lastNamed;
  }

  /** All children, that of the ids too. */
  *all(): Generator<PrefixNode> {
    if (this.id) yield this.id;
    if (this.children) yield* this.children.values();
  }

  /** The child with a label, made when it is not there. */
  child(label: string, made: () => void): PrefixNode {
    if (label === ID) {
      if (!this.id) {
        this.id = new PrefixNode(ID);
        made();
      }
      return this.id;
    }
    this.children ??= new Map();
    let child = this.children.get(label);
    if (!child) {
      child = new PrefixNode(label);
      this.children.set(label, child);
      made();
    }
    return child;
  }

  remove(child: PrefixNode): void {
    this.#lastName = undefined;
    this.#lastNamed = undefined;
    if (this.id === child) this.id = undefined;
    else this.children?.delete(child.label);
  }

  sum(): Sum {
    this.own ??= new Sum();
    return this.own;
  }

  /** Keys here and below. */
  keys(): number {
    let keys = this.own?.keys ?? 0;
    for (const child of this.all()) keys += child.keys();
    return keys;
  }

  /** Nodes here and below. */
  size(): number {
    let nodes = 1;
    for (const child of this.all()) nodes += child.size();
    return nodes;
  }
}

/**
 * Names that BullMQ has beside its jobs (https://docs.bullmq.io): jobs may be named as one likes, and
 * however many there are, these are not among them.
 */
const NEVER_IDS = new Set(
  (
    'meta id wait paused active prioritized pc delayed completed failed stalled stalled-check limiter ' +
    'repeat events priority marker waiting-children de metrics logs dependencies processed lock'
  ).split(' '),
);

const LONGEST_NEVER = Math.max(...[...NEVER_IDS].map(({ length }) => length));

/** Whether a label is a name that may turn out to be an id. */
export function isName(label: string): boolean {
  // Asked for every key that has no group of its own: most names are told by their length.
  if (label.length > LONGEST_NEVER) return true;
  if (label.length <= 2 && (label === OTHER || label === overflowLabel(label, ID))) return false;
  return !NEVER_IDS.has(label);
}

/** The label of the child that takes what a name of `label` has no child for. */
export function overflowLabel(label: string, overflow: string): string {
  return markOf(label) + overflow;
}

/**
 * Adds `from` and all below it to `into`. `from` is left as it is when `copy` is true; otherwise its
 * parts may become those of `into`.
 */
export function mergeNode(into: PrefixNode, from: PrefixNode, copy: boolean): void {
  if (from.own) into.sum().merge(from.own);
  if (into.overflow !== OTHER) into.overflow = from.overflow ?? into.overflow;
  for (const child of from.all()) {
    const there = child.label === ID ? into.id : into.children?.get(child.label);
    if (there || copy) mergeNode(there ?? into.child(child.label, () => {}), child, copy);
    else if (child.label === ID) into.id = child;
    else {
      into.children ??= new Map();
      into.children.set(child.label, child);
    }
  }
}

/** A node of a checkpoint: label, overflow, own sum, children. */
export type NodeState = [
  label: string,
  overflow: typeof ID | typeof OTHER | null,
  own: SumState | null,
  children: NodeState[],
];

export function nodeState(node: PrefixNode): NodeState {
  const children = [...node.all()].map(nodeState);
  return [node.label, node.overflow ?? null, node.own?.toJSON() ?? null, children];
}

export function restoreNode([label, overflow, own, children]: NodeState): PrefixNode {
  const node = new PrefixNode(label);
  node.overflow = overflow ?? undefined;
  if (own) node.own = Sum.restore(own);
  for (const state of children) {
    const child = restoreNode(state);
    if (child.label === ID) node.id = child;
    else {
      node.children ??= new Map();
      node.children.set(child.label, child);
    }
  }
  return node;
}
