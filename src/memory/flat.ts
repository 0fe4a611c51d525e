import type { Report, ReportGroup } from './report.js';

/** A group without those in it. */
type FlatGroup = Omit<ReportGroup, 'children'> & { depth: number };

/** Every group below the root, each before those in it. */
export function* flatGroups({ tree }: Report): Generator<FlatGroup> {
  yield* below(tree, 1);
}

function* below(parent: ReportGroup, depth: number): Generator<FlatGroup> {
  for (const { children, ...group } of parent.children) {
    yield { ...group, depth };
    yield* below({ ...group, children }, depth + 1);
  }
}
