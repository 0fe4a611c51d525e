import { shorten } from '../../memory/advice.js';
import type { Report, ReportGroup } from '../../memory/report.js';
import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, percent } from '../../output/format.js';
import { bytesText } from '../../words.js';

/** Smaller groups are put into one line where they are. */
const SMALL = 0.01;

/** One line of the tree: a group, or what is not shown of one. */
interface Line {
  depth: number;
  text: string;
  group: Omit<ReportGroup, 'children' | 'segment' | 'p99' | 'max'> & { p99: number | null };
}

/** The groups with at least 1 % of the keys or bytes, `depth` levels deep, indented. */
export function renderTree(report: Report, depth: number): Block[] {
  const lines = linesBelow(report.tree, report.totals.keys, depth, 0);
  if (lines.length === 0) return [];
  const sampled: Record<string, (line: Line) => Cell> = report.sampled
    ? {
        'bytes, 95 %': bytesBetween,
        'keys, 95 %': keysBetween,
        seen: ({ group }) => count(group.sampled),
      }
    : {};
  const columns: Record<string, (line: Line) => Cell> = {
    group: ({ group, text, depth: level }) => ({
      value: group.pattern,
      text: `${'  '.repeat(level)}${shorten(text)}`,
    }),
    bytes: ({ group }) => bytes(group.bytes),
    share: ({ group }) => percent(group.share),
    keys: ({ group }) => count(group.keys),
    ...sampled,
    average: ({ group }) => bytes(group.average),
    p99: ({ group }) => bytes(group.p99),
    'no ttl': ({ group }) => percent(group.keys === 0 ? null : group.no_ttl / group.keys),
  };
  const cells = Object.values(columns);
  return [
    {
      title: 'By prefix',
      table: {
        columns: Object.keys(columns),
        rows: lines.map((line) => cells.map((cell) => cell(line))),
        optional: ['p99', 'seen', 'average', 'keys, 95 %', 'no ttl', 'keys', 'share'],
      },
    },
  ];
}

function linesBelow(parent: ReportGroup, allKeys: number, depth: number, level: number): Line[] {
  if (level === depth) return [];
  const isBig = (group: ReportGroup) =>
    group.share >= SMALL || (allKeys > 0 && group.keys / allKeys >= SMALL);
  const lines = parent.children.filter(isBig).flatMap((child) => {
    const { group, text } = chain(child);
    const name =
      parent.pattern === '' ? text : text.slice(parent.pattern.length).replace(/^[:]/, '');
    return [{ depth: level, text: name, group }, ...linesBelow(group, allKeys, depth, level + 1)];
  });
  const small = parent.children.filter((child) => !isBig(child));
  return small.length === 0 ? lines : [...lines, smallLine(parent, small, level)];
}

/** A group with nothing but one other in it is named by that. */
function chain(group: ReportGroup): { group: ReportGroup; text: string } {
  const [only] = group.children;
  return only && only.keys === group.keys ? chain(only) : { group, text: group.pattern };
}

function smallLine(parent: ReportGroup, small: readonly ReportGroup[], depth: number): Line {
  const sum = (of: (group: ReportGroup) => number) =>
    small.reduce((total, each) => total + of(each), 0);
  const [keys, size] = [sum((each) => each.keys), sum((each) => each.bytes)];
  return {
    depth,
    text: `(${small.length} under 1 %)`,
    group: {
      pattern: `${parent.pattern === '' ? '' : `${parent.pattern}:`}(${small.length} under 1 %)`,
      keys,
      bytes: size,
      share: sum((each) => each.share),
      average: keys === 0 ? 0 : Math.round(size / keys),
      p99: null,
      no_ttl: sum((each) => each.no_ttl),
      no_ttl_bytes: sum((each) => each.no_ttl_bytes),
      sampled: sum((each) => each.sampled ?? 0),
    },
  };
}

function bytesBetween({ group: { bytes_between } }: Line): Cell {
  if (!bytes_between) return { value: null, text: 'unknown', tone: 'unknown' };
  const { low, high } = bytes_between;
  return { value: `${low}-${high}`, text: `${bytesText(low)} - ${bytesText(high)}` };
}

function keysBetween({ group: { keys_between } }: Line): Cell {
  if (!keys_between) return null;
  const { low, high } = keys_between;
  return { value: `${low}-${high}`, text: `${count(low).text} - ${count(high).text}` };
}
