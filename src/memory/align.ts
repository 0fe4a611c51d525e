import type { ReportGroup } from './report.js';

/** What is compared of a group. */
export interface Mass {
  keys: number;
  bytes: number;
  bytes_between?: { low: number; high: number } | undefined;
}

/** A group of two reports; undefined in the one that does not have it. */
export interface Pair {
  pattern: string;
  before: Mass | undefined;
  after: Mass | undefined;
}

/** Groups are matched by what they are called, level by level. The root is left out. */
export function align(before: ReportGroup, after: ReportGroup): Pair[] {
  return pairsBelow([before], [after]);
}

/**
 * The same group may be several of a report, where names became ids in the other: those are added up.
 * A group whose change is that of one group in it is left out, and so are the groups in one that is
 * new or gone: to name them again says nothing.
 */
function pairsBelow(before: readonly ReportGroup[], after: readonly ReportGroup[]): Pair[] {
  const was = bySegment(before);
  const is = bySegment(after);
  fold(was, is);
  fold(is, was);
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((segment) => {
    const [a, b] = [was.get(segment) ?? [], is.get(segment) ?? []];
    const pair = { pattern: patternOf(segment, a, b), before: massOf(a), after: massOf(b) };
    if (!pair.before || !pair.after) return [pair];
    const below = pairsBelow(a, b);
    const told = below.some((each) => Math.abs(growth(each)) >= 0.9 * Math.abs(growth(pair)));
    return told && growth(pair) !== 0 ? below : [pair, ...below];
  });
}

type Siblings = Map<string, ReportGroup[]>;

function bySegment(parents: readonly ReportGroup[]): Siblings {
  const groups: Siblings = new Map();
  for (const { children } of parents) {
    for (const child of children)
      groups.set(child.segment, [...(groups.get(child.segment) ?? []), child]);
  }
  return groups;
}

/** Names that the other report has in its `{id}` or `{other}`, and this one has apart, are put together. */
function fold(these: Siblings, others: Siblings): void {
  for (const rest of ['{id}', '{other}']) {
    if (!others.has(rest) || these.has(rest)) continue;
    const unmatched = [...these.keys()].filter((segment) => !others.has(segment));
    if (unmatched.length === 0) continue;
    these.set(
      rest,
      unmatched.flatMap((segment) => these.get(segment) ?? []),
    );
    for (const segment of unmatched) these.delete(segment);
  }
}

function patternOf(segment: string, a: readonly ReportGroup[], b: readonly ReportGroup[]): string {
  const named = [...b, ...a].find((group) => group.segment === segment);
  const isChain = a.length + b.length === 1;
  return named ? (isChain ? deepest(named) : named).pattern : segment;
}

/** A group with nothing but one other in it is named by that. */
function deepest(group: ReportGroup): ReportGroup {
  const [only] = group.children;
  return only && only.keys === group.keys ? deepest(only) : group;
}

function massOf(groups: readonly ReportGroup[]): Mass | undefined {
  if (groups.length === 0) return undefined;
  const total = (of: (group: ReportGroup) => number) =>
    groups.reduce((sum, group) => sum + of(group), 0);
  const bounds = groups.flatMap(({ bytes_between }) => bytes_between ?? []);
  return {
    keys: total(({ keys }) => keys),
    bytes: total(({ bytes }) => bytes),
    ...(bounds.length === groups.length && {
      bytes_between: {
        low: bounds.reduce((sum, { low }) => sum + low, 0),
        high: bounds.reduce((sum, { high }) => sum + high, 0),
      },
    }),
  };
}

const growth = ({ before, after }: Pair): number => (after?.bytes ?? 0) - (before?.bytes ?? 0);
