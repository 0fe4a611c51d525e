import type { PageNode } from '../data.js';

/** What the area of a cell and the order of the table go by. */
export const SIZES = { bytes: 'Bytes', keys: 'Keys', 'no-ttl': 'Bytes without TTL' } as const;
export type Size = keyof typeof SIZES;

/** A group of keys as the page shows it. */
export interface Group {
  parent: Group | null;
  /** Undefined for what is put together here: keys outside of any group, or many small groups. */
  pattern: string | undefined;
  label: string;
  keys: number;
  bytes: number;
  average: number;
  /** Unknown for what is put together here. */
  p99: number | null;
  max: number | null;
  noTtl: number;
  noTtlBytes: number;
  between: PageNode[10];
  children: Group[];
}

export interface Tree {
  root: Group;
  find(pattern: string): Group | undefined;
}

export function readTree(nodes: readonly PageNode[]): Tree {
  const groups: Group[] = [];
  const byPattern = new Map<string, Group>();
  for (const node of nodes) {
    const parent = groups[node[0]] ?? null;
    const group = fromNode(parent, node);
    groups.push(group);
    parent?.children.push(group);
    const known = group.pattern !== undefined && byPattern.has(group.pattern);
    if (group.pattern !== undefined && !known) byPattern.set(group.pattern, group);
  }
  const [root] = groups;
  if (!root) throw new Error('the report has no groups');
  return { root, find: (pattern) => byPattern.get(pattern) };
}

function fromNode(parent: Group | null, node: PageNode): Group {
  const [, pattern, segment, keys, bytes, average, p99, max, noTtl, noTtlBytes, between] = node;
  return {
    parent,
    // A place in the URL cannot hold half a surrogate pair.
    pattern: pattern.toWellFormed(),
    label: parent ? segment.toWellFormed() || '(empty)' : 'All keys',
    keys,
    bytes,
    average,
    p99,
    max,
    noTtl,
    noTtlBytes,
    between,
    children: [],
  };
}

export function sizeOf(group: Group, size: Size): number {
  if (size === 'keys') return group.keys;
  return size === 'bytes' ? group.bytes : group.noTtlBytes;
}

/** Groups of a level from large to small, with what its keys have outside of any of them. */
export function levelOf(group: Group, size: Size): Group[] {
  const { children } = group;
  const rest = together('other keys', group, [group], children);
  const all =
    children.length > 0 && (rest.keys > 0 || rest.bytes > 0) ? [...children, rest] : children;
  return [...all].sort((a, b) => sizeOf(b, size) - sizeOf(a, size));
}

/** One group of what some have and others do not. */
export function together(
  label: string,
  parent: Group,
  some: readonly Group[],
  without: readonly Group[] = [],
): Group {
  const sum = (of: (group: Group) => number) => {
    const add = (all: number, group: Group) => all + of(group);
    return Math.max(0, some.reduce(add, 0) - without.reduce(add, 0));
  };
  const [keys, bytes] = [sum((group) => group.keys), sum((group) => group.bytes)];
  return {
    parent,
    pattern: undefined,
    label,
    keys,
    bytes,
    average: keys > 0 ? Math.round(bytes / keys) : 0,
    p99: null,
    max: null,
    noTtl: sum((group) => group.noTtl),
    noTtlBytes: sum((group) => group.noTtlBytes),
    between: null,
    children: [],
  };
}

/** From the root down to the group. */
export function pathTo(group: Group): Group[] {
  const path: Group[] = [];
  for (let at: Group | null = group; at; at = at.parent) path.unshift(at);
  return path;
}
