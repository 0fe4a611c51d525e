import { isName, mergeNode, overflowLabel, PrefixNode } from './node.js';
import { ID, OTHER } from './segment.js';
import { Sum } from './sum.js';

/** A group of the report: a node with the sum of all that is in it and below it. */
export interface Group {
  label: string;
  sum: Sum;
  /** The largest first. */
  children: Group[];
}

/** More names than these are ids that do not look it; each may stay that has so large a part of the keys. */
const NAMES = { most: 64, rootMost: 256, share: 1 / 64, rootShare: 1 / 256 };
/** More names of a single key each are ids, too: `session:alice`. */
const MOST_SINGLE = 20;

/**
 * The groups of a tree, at most `most`. Names that turn out to be ids only now that all keys are known
 * become `{id}`; it depends on what the tree holds, and not on the order in which it came. The tree
 * itself stays as it is.
 */
export function condense(root: PrefixNode, databases: number, most: number): Group {
  const copy = new PrefixNode('');
  mergeNode(copy, root, true);
  settle(copy, databases, true);
  const whole = toGroup(copy);
  const least = massOf(whole, most);
  return trim(whole, (sum) => mass(sum, whole.sum) >= least);
}

/** Decides which names are ids, from the top down: what is put together may have too many names then. */
function settle(node: PrefixNode, databases: number, isRoot: boolean): void {
  joinFamilies(node);
  const names = [...(node.children?.values() ?? [])].filter(({ label }) => isName(label));
  const single = names.filter((child) => isSingle(child, databases));
  const tooMany = names.length > (isRoot ? NAMES.rootMost : NAMES.most);
  const least = node.keys() * (isRoot ? NAMES.rootShare : NAMES.share);
  const ids = new Set(single.length > MOST_SINGLE ? single : []);
  if (tooMany || node.overflow === ID) {
    for (const child of names) if (child.keys() < least) ids.add(child);
  }
  for (const child of ids) join(node, child, overflowLabel(child.label, ID));
  for (const child of node.all()) settle(child, databases, false);
}

/** `shard7` is a name as long as there is no `shard120`. */
function joinFamilies(node: PrefixNode): void {
  for (const child of [...(node.children?.values() ?? [])]) {
    const stem = /^(.*?\D)\d{1,2}$/s.exec(child.label)?.[1];
    if (stem !== undefined && node.children?.has(stem + ID)) join(node, child, stem + ID);
  }
}

function join(node: PrefixNode, child: PrefixNode, label: string): void {
  node.remove(child);
  mergeNode(
    node.child(label, () => {}),
    child,
    false,
  );
}

/** A key and nothing below it; in each database there may be one. */
function isSingle({ own, id, children }: PrefixNode, databases: number): boolean {
  return own !== undefined && own.keys <= databases && !id && (children?.size ?? 0) === 0;
}

function toGroup(node: PrefixNode): Group {
  const sum = new Sum();
  if (node.own) sum.merge(node.own);
  const children = [...node.all()].map(toGroup).filter((child) => child.sum.keys > 0);
  for (const child of children) sum.merge(child.sum);
  return { label: node.label, sum, children: children.sort(byBytes) };
}

const byBytes = (a: Group, b: Group): number =>
  b.sum.bytes - a.sum.bytes || b.sum.keys - a.sum.keys || (a.label < b.label ? -1 : 1);

/** How much there is to a group: its share of the keys or of the bytes, whichever is larger. */
function mass(sum: Sum, whole: Sum): number {
  return Math.max(sum.keys / whole.keys, sum.bytes / whole.bytes);
}

/** What a group must have for at most `most` to have it. */
function massOf(whole: Group, most: number): number {
  const all: number[] = [];
  const visit = (group: Group): void => {
    all.push(mass(group.sum, whole.sum));
    group.children.forEach(visit);
  };
  visit(whole);
  if (all.length <= most) return 0;
  all.sort((a, b) => b - a);
  // Those of the same size go together: which of them would stay depends on nothing.
  return (all[most - 1] as number) * (1 + Number.EPSILON);
}

/** Puts the groups that are not kept into one `{other}` where they are. */
function trim(group: Group, keeps: (sum: Sum) => boolean): Group {
  const children: Group[] = [];
  const other = new Sum();
  for (const child of group.children) {
    if (child.label !== OTHER && keeps(child.sum)) children.push(trim(child, keeps));
    else other.merge(child.sum);
  }
  if (other.keys > 0) children.push({ label: OTHER, sum: other, children: [] });
  return { ...group, children: children.sort(byBytes) };
}
