import type { Figures, Report, ReportGroup, ReportKey } from '../../src/memory/report.js';

/** One kind of keys: where they are, how many, their size and the share of them without TTL. */
interface Kind {
  pattern: string;
  keys: number;
  average: number;
  type?: string;
  /** 0 to 1. */
  noTtl?: number;
}

/** The prefixes that such an estate has: caches, sessions, queues, checkpoints, health marks. */
export const ESTATE: readonly Kind[] = [
  { pattern: 'asl:llm:{id}', keys: 182_400, average: 2_350 },
  { pattern: 'asl:pdf:{id}', keys: 9_120, average: 61_400 },
  { pattern: 'asl:doi:{id}', keys: 61_000, average: 512, noTtl: 0.02 },
  { pattern: 'asl:search:{id}:pages', keys: 14_800, average: 5_900 },
  { pattern: 'asl:search:{id}:total', keys: 14_800, average: 88 },
  { pattern: 'asl:batch:{id}:checkpoint', keys: 420, average: 92_000, type: 'hash', noTtl: 1 },
  { pattern: 'dc:health:{id}', keys: 240, average: 176, noTtl: 0.1 },
  { pattern: 'dc:cache:{id}', keys: 33_000, average: 1_440 },
  { pattern: 'session:{id}', keys: 5_200, average: 8_800, type: 'list', noTtl: 0.3 },
  { pattern: 'session:{id}:user', keys: 5_200, average: 210, type: 'hash', noTtl: 0.3 },
  {
    pattern: 'bull:asl:title-screening:{id}',
    keys: 74_000,
    average: 1_930,
    type: 'hash',
    noTtl: 1,
  },
  {
    pattern: 'bull:asl:title-screening:completed',
    keys: 1,
    average: 6_100_000,
    type: 'zset',
    noTtl: 1,
  },
  { pattern: 'bull:asl:full-text:{id}', keys: 21_000, average: 4_400, type: 'hash', noTtl: 1 },
  { pattern: 'bull:mail:{id}', keys: 2_600, average: 900, type: 'hash', noTtl: 1 },
  { pattern: 'bull:mail:events', keys: 1, average: 1_260_000, type: 'stream', noTtl: 1 },
  { pattern: 'langextract:prod:task:import:{id}:{id}', keys: 46_000, average: 3_100, noTtl: 0.6 },
  { pattern: 'langextract:prod:task:export:{id}', keys: 7_400, average: 12_800, noTtl: 0.6 },
  { pattern: 'langextract:staging:task:import:{id}:{id}', keys: 3_900, average: 3_000, noTtl: 0.9 },
  { pattern: 'idem:{id}', keys: 88_000, average: 120 },
  { pattern: 'ratelimit:{id}', keys: 12_000, average: 72 },
  { pattern: 'lock:{id}', keys: 35, average: 96 },
];

/** A report as a scan of such an estate would give it: the figures of its parts add up. */
export function sampleReport(kinds: readonly Kind[] = ESTATE, over: Partial<Report> = {}): Report {
  const tree = treeOf(kinds);
  const top = kinds.flatMap(keysOf).sort((a, b) => b.bytes - a.bytes);
  const all = figuresOf(kinds);
  return {
    format: 1,
    id: '20260301-041000-main',
    at: '2026-03-01T04:10:00.000Z',
    took_ms: 4_830,
    target: 'main',
    source: 'live',
    sizes_by: 'samples',
    samples: 2_000,
    sampled: null,
    filter: { match: null, type: null, db: null, over: null },
    partial: null,
    servers: [
      {
        address: '127.0.0.1:6379',
        dbsize: all.keys,
        keys: all.keys,
        bytes: all.bytes,
        used_memory: Math.round(all.bytes * 1.21),
      },
    ],
    totals: { ...all, vanished: 12, unreadable: 0 },
    databases: [{ db: 0, ...all }],
    types: [...grouped(kinds, typeOf)]
      .map(([type, some]) => ({ type, elements: null, ...figuresOf(some) }))
      .sort((a, b) => b.bytes - a.bytes),
    tree,
    top: top.slice(0, 100),
    top_by_type: Object.fromEntries(
      [...grouped(top, ({ type }) => type)].map(([type, some]) => [type, some.slice(0, 100)]),
    ),
    size_histogram: [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 16_777_216].map(
      (upTo, index, bounds) => ({
        up_to: upTo,
        ...sums(
          kinds.filter(({ average }) => average <= upTo && average > (bounds[index - 1] ?? 0)),
        ),
      }),
    ),
    ttl_histogram: [
      ...[60_000, 3_600_000, 86_400_000, 604_800_000].map((upTo, index) => ({
        up_to_ms: upTo,
        keys: Math.round(((all.keys - all.no_ttl) * (index + 1)) / 10),
        bytes: Math.round(((all.bytes - all.no_ttl_bytes) * (index + 1)) / 10),
      })),
      { up_to_ms: null, keys: all.no_ttl, bytes: all.no_ttl_bytes },
    ],
    ...over,
  };
}

/** Earlier reports of the same target, one a day, a little smaller each. */
export function sampleTrend(report: Report, days: number): Pick<Report, 'id' | 'at' | 'totals'>[] {
  return Array.from({ length: days }, (_, index) => {
    const part = 1 - (days - index) * 0.021 + (index % 3) * 0.012;
    return {
      id: `earlier-${index}`,
      at: new Date(Date.parse(report.at) - (days - index) * 86_400_000).toISOString(),
      totals: {
        ...report.totals,
        keys: Math.round(report.totals.keys * part),
        bytes: Math.round(report.totals.bytes * part),
      },
    };
  });
}

/** A tree of about `groups` groups: many prefixes of two parts, and thousands beside each other. */
export function manyKinds(groups: number): Kind[] {
  return Array.from({ length: groups }, (_, index) => ({
    pattern: `tenant-${index % 200}:object-${index}:{id}`,
    keys: 1 + (index % 97),
    average: 64 + ((index * 7_919) % 60_000),
    noTtl: (index % 11) / 10,
  }));
}

const ENCODINGS = new Map([
  ['string', 'raw'],
  ['hash', 'listpack'],
  ['zset', 'skiplist'],
]);
const typeOf = ({ type = 'string' }: Kind) => type;

function treeOf(kinds: readonly Kind[], depth = 0, pattern = '', whole?: Figures): ReportGroup {
  const all = figuresOf(kinds);
  const deeper = kinds.filter((kind) => kind.pattern.split(':').length > depth);
  const parts = grouped(deeper, (kind) => kind.pattern.split(':')[depth] ?? '');
  return {
    pattern,
    segment: depth === 0 ? '' : (pattern.split(':').at(-1) ?? ''),
    share: all.bytes / ((whole ?? all).bytes || 1),
    ...all,
    children: [...parts]
      .map(([part, some]) =>
        treeOf(some, depth + 1, depth === 0 ? part : `${pattern}:${part}`, whole ?? all),
      )
      .sort((a, b) => b.bytes - a.bytes),
  };
}

function sums(kinds: readonly Kind[]) {
  return {
    keys: kinds.reduce((all, { keys }) => all + keys, 0),
    bytes: kinds.reduce((all, { keys, average }) => all + keys * average, 0),
  };
}

function figuresOf(kinds: readonly Kind[]): Figures {
  const { keys, bytes } = sums(kinds);
  const endless = kinds.map((kind) => ({
    ...kind,
    keys: Math.round(kind.keys * (kind.noTtl ?? 0)),
  }));
  const largest = Math.max(0, ...kinds.map(({ average }) => average));
  return {
    keys,
    bytes,
    average: keys > 0 ? Math.round(bytes / keys) : 0,
    p99: largest * 2,
    max: largest * 3,
    no_ttl: sums(endless).keys,
    no_ttl_bytes: sums(endless).bytes,
  };
}

function grouped<Item>(items: readonly Item[], by: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(by(item));
    if (group) group.push(item);
    else groups.set(by(item), [item]);
  }
  return groups;
}

/** The ten largest keys of a kind. */
function keysOf(kind: Kind): ReportKey[] {
  return Array.from({ length: Math.min(10, kind.keys) }, (_, index) => ({
    server: '127.0.0.1:6379',
    db: 0,
    key: kind.pattern.replaceAll('{id}', () => String(1_000_000 + index * 7_919)),
    type: typeOf(kind),
    encoding: ENCODINGS.get(typeOf(kind)) ?? null,
    bytes: Math.round(kind.average * (3 - index / 5)),
    elements: typeOf(kind) === 'string' ? null : 12 + index,
    ttl_ms: index / 10 < (kind.noTtl ?? 0) ? null : 90_000 * (index + 1) * kind.pattern.length,
    idle_s: null,
    frequency: null,
  }));
}
