import { bytesBetween, keysBetween } from './interval.js';
import type { Figures, Report, ReportGroup, ReportKey } from './report.js';
import { type Buckets, SIZE_BOUNDS, TTL_BOUNDS } from './tally/buckets.js';
import { condense, type Group } from './tally/condense.js';
import { readLabel } from './tally/segment.js';
import type { Sum } from './tally/sum.js';
import { Tally } from './tally/tally.js';
import type { KeptKey, Top } from './tally/top.js';
import { textOf } from './text.js';

/** What a report says of itself, and what only who read the keys knows. */
export type ReportMeta = Omit<
  Report,
  | 'format'
  | 'servers'
  | 'totals'
  | 'databases'
  | 'types'
  | 'tree'
  | 'top'
  | 'top_by_type'
  | 'size_histogram'
  | 'ttl_histogram'
> & {
  /** What the servers themselves say, by the address that their tally has. */
  servers: ReadonlyMap<string, { dbsize: number | null; used_memory: number | null }>;
  vanished: number;
  unreadable: number;
  /** Most groups of the tree. */
  groups?: number;
};

const MOST_GROUPS = 2_000;

/**
 * The report of all tallies together; they stay as they are. Of a sample all keys and bytes are scaled
 * to the whole, but for the keys that are shown one by one, the largest of those that were seen.
 */
export function toReport(tallies: readonly Tally[], meta: ReportMeta): Report {
  const { servers, vanished, unreadable, groups = MOST_GROUPS, ...head } = meta;
  const all = merged(tallies);
  const scale = scaling(meta.sampled);
  const tree = condense(all.tree.root, all.databases.size, groups);
  const types = [...all.types].sort(([, a], [, b]) => b.sum.bytes - a.sum.bytes);
  return {
    format: 1,
    ...head,
    servers: tallies.map((tally) => ({
      address: tally.server,
      dbsize: servers.get(tally.server)?.dbsize ?? null,
      keys: scale.of(tally.keys),
      bytes: scale.of(tally.bytes),
      used_memory: servers.get(tally.server)?.used_memory ?? null,
    })),
    totals: { ...figures(tree.sum, scale), vanished, unreadable },
    databases: [...all.databases]
      .sort(([a], [b]) => a - b)
      .map(([db, sum]) => ({ db, ...figures(sum, scale), ...estimate(sum, scale) })),
    types: types.map(([type, { sum, elements }]) => ({
      type,
      ...figures(sum, scale),
      ...estimate(sum, scale),
      elements: elements === null ? null : scale.of(elements),
    })),
    tree: toTree(tree, scale),
    top: keysOf(all.top),
    top_by_type: Object.fromEntries(types.map(([type, { top }]) => [type, keysOf(top)])),
    ...histograms(all, scale),
  };
}

/** One is not copied: what is asked of it changes nothing. */
function merged(tallies: readonly Tally[]): Tally {
  const [only] = tallies;
  if (only && tallies.length === 1) return only;
  const most = {
    top: Math.max(0, ...tallies.map(({ top }) => top.most)),
    topByType: Math.max(0, ...tallies.map(({ topByType }) => topByType)),
  };
  const all = new Tally({ server: '', ...most });
  for (const tally of tallies) all.merge(tally);
  return all;
}

interface Scale {
  /** The share that was looked at; 1 for all. */
  part: number;
  of(seen: number): number;
}

function scaling(sampled: Report['sampled']): Scale {
  const part = sampled ? sampled.part / sampled.of : 1;
  // Rounded down: parts that are rounded up would add up to more than the whole.
  return { part, of: (seen) => (sampled ? Math.floor((seen * sampled.of) / sampled.part) : seen) };
}

function figures(sum: Sum, scale: Scale): Figures {
  return {
    keys: scale.of(sum.keys),
    bytes: scale.of(sum.bytes),
    average: sum.keys === 0 ? 0 : Math.round(sum.bytes / sum.keys),
    p99: sum.p99(),
    max: sum.max,
    no_ttl: scale.of(sum.noTtl),
    no_ttl_bytes: scale.of(sum.noTtlBytes),
  };
}

type Estimate = Pick<ReportGroup, 'sampled' | 'keys_between' | 'bytes_between'>;

function estimate(sum: Sum, { part }: Scale): Estimate {
  if (part === 1) return {};
  const bytes = bytesBetween(sum, part);
  return {
    sampled: sum.keys,
    keys_between: keysBetween(sum, part),
    ...(bytes && { bytes_between: bytes }),
  };
}

/** The root is no part of the keys: what is right below it is not set off by anything. */
function toTree(root: Group, scale: Scale): ReportGroup {
  const tree = toGroup({ ...root, children: [] }, undefined, scale, root.sum.bytes);
  tree.children = root.children.map((each) => toGroup(each, undefined, scale, root.sum.bytes));
  return tree;
}

function toGroup(
  group: Group,
  parent: string | undefined,
  scale: Scale,
  whole: number,
): ReportGroup {
  const { separator, text } = readLabel(group.label);
  const segment = textOf(text).text;
  const pattern = parent === undefined ? segment : parent + separator + segment;
  const { sum } = group;
  return {
    pattern,
    segment,
    ...figures(sum, scale),
    share: whole === 0 ? 0 : sum.bytes / whole,
    ...estimate(sum, scale),
    children: group.children.map((child) => toGroup(child, pattern, scale, whole)),
  };
}

const keysOf = (top: Top): ReportKey[] => top.sorted().map(toKey);

function toKey({ key, ...rest }: KeptKey): ReportKey {
  const { text, binary } = textOf(key);
  const bytes = Buffer.from(key, 'latin1');
  return { ...rest, key: text, ...(binary && { key_base64: bytes.toString('base64') }) };
}

function histograms(
  { sizes, ttls }: Tally,
  scale: Scale,
): Pick<Report, 'size_histogram' | 'ttl_histogram'> {
  const bucket = ({ keys, bytes }: Buckets, at: number) => ({
    keys: scale.of(keys[at] ?? 0),
    bytes: scale.of(bytes[at] ?? 0),
  });
  const last = sizes.keys.findLastIndex((keys) => keys > 0);
  const first = sizes.keys.findIndex((keys) => keys > 0);
  return {
    // From the first to the last size that there is.
    size_histogram: SIZE_BOUNDS.slice(Math.max(first, 0), last + 1).map((up_to, at) => ({
      up_to,
      ...bucket(sizes, Math.max(first, 0) + at),
    })),
    ttl_histogram: TTL_BOUNDS.map((up_to_ms, at) => ({ up_to_ms, ...bucket(ttls, at) })),
  };
}
