import { advise, shorten } from '../../memory/advice.js';
import type { Report, ReportGroup, ReportHead } from '../../memory/report.js';
import type { Block, Cell } from '../../output/blocks.js';
import { bytes, count, ms, percent } from '../../output/format.js';
import { bytesText, spanText } from '../../words.js';
import { renderTree } from './render-tree.js';

export interface Detail {
  /** Levels of the tree. */
  depth: number;
  /** How many of the largest keys. */
  top: number;
}

/** The report for a person: what it is, where the bytes are, and what to do about it. */
export function renderReport(report: Report, { depth, top }: Detail): Block[] {
  if (report.totals.keys === 0) return [...cautions(report), { note: 'There is no key.' }];
  return [
    ...cautions(report),
    ...facts(report),
    ...parts('By type', 'type', report.types, ({ type }) => type),
    ...(report.databases.length > 1
      ? parts('By database', 'db', report.databases, ({ db }) => String(db))
      : []),
    ...(report.servers.length > 1 ? servers(report) : []),
    ...renderTree(report, depth),
    ...largest(report, top),
    ...histogram(
      'By size',
      'up to',
      report.size_histogram.map(({ up_to, ...rest }) => ({ ...rest, name: bytesText(up_to) })),
    ),
    ...histogram('By time to live', 'up to', ttlRows(report)),
    ...todo(report),
  ];
}

/** Why it is not all there is: said before anything else. */
function cautions(report: Report): Block[] {
  return cautionsOf(report).map((note) => ({ note, tone: 'warn' }));
}

/** What makes a report less than the whole truth, as sentences. */
export function cautionsOf({ partial, sampled, filter }: ReportHead): string[] {
  const filters = Object.entries({ match: filter.match, type: filter.type, db: filter.db })
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `--${name} ${value}`);
  if (filter.over !== null) filters.push(`--over ${bytesText(filter.over)}`);
  return [
    ...(partial === null ? [] : [`PARTIAL: ${partial}. It does not hold every key.`]),
    ...(sampled
      ? [
          `SAMPLE of ${sampled.part}/${sampled.of}: keys and bytes are estimates, the largest keys are those that were seen.`,
        ]
      : []),
    ...(filters.length === 0 ? [] : [`Only keys of ${filters.join(' ')}.`]),
  ];
}

const SIZES = {
  exact: 'MEMORY USAGE of all elements',
  samples: 'MEMORY USAGE',
  estimate: 'estimates',
};

function facts(report: Report): Block[] {
  const { totals, sizes_by, samples, servers: from } = report;
  const said = from.map(({ dbsize }) => dbsize);
  const dbsize = said.some((size) => size === null) ? null : sum(said.map((size) => size ?? 0));
  const share = totals.bytes === 0 ? 0 : totals.no_ttl_bytes / totals.bytes;
  const sizes = `${SIZES[sizes_by]}${sizes_by === 'samples' && samples ? `, ${samples} samples` : ''}`;
  const rows: [string, Cell][] = [
    ['report', report.id],
    ['of', `${report.target} (${report.source}), ${report.at}, in ${ms(report.took_ms).text}`],
    ['sizes', sizes],
    ['keys', count(totals.keys)],
    ['keys the server says', dbsize === null ? undefined : count(dbsize)],
    ['bytes', bytes(totals.bytes)],
    ['a key', `${bytesText(totals.average)}, 99 % up to ${bytesText(totals.p99)}`],
    ['never expire', `${count(totals.no_ttl).text} keys, ${percent(share).text} of the bytes`],
    ['gone meanwhile', totals.vanished > 0 ? count(totals.vanished) : undefined],
    ['not readable', totals.unreadable > 0 ? count(totals.unreadable, 'warn') : undefined],
  ];
  const known = rows.filter(([, cell]) => cell !== undefined);
  return [{ table: { columns: ['what', 'value'], rows: known } }];
}

type Part = Pick<ReportGroup, 'keys' | 'bytes' | 'average' | 'p99' | 'max' | 'no_ttl'>;

function parts<P extends Part>(
  title: string,
  column: string,
  all: readonly P[],
  nameOf: (part: P) => string,
): Block[] {
  const whole = sum(all.map((part) => part.bytes));
  const rows = all.map((part) => [
    nameOf(part),
    bytes(part.bytes),
    percent(whole === 0 ? 0 : part.bytes / whole),
    count(part.keys),
    bytes(part.average),
    bytes(part.p99),
    bytes(part.max),
    count(part.no_ttl),
  ]);
  const columns = [column, 'bytes', 'share', 'keys', 'average', 'p99', 'largest', 'no ttl'];
  return [
    { title, table: { columns, rows, optional: ['p99', 'no ttl', 'average', 'largest', 'share'] } },
  ];
}

function servers({ servers: all }: Report): Block[] {
  const columns = ['server', 'bytes', 'keys', 'it says', 'used memory'];
  const rows = all.map((server) => [
    server.address,
    bytes(server.bytes),
    count(server.keys),
    count(server.dbsize),
    bytes(server.used_memory),
  ]);
  return [{ title: 'By server', table: { columns, rows, optional: ['used memory', 'it says'] } }];
}

function largest({ top, databases }: Report, most: number): Block[] {
  const shown = top.slice(0, most);
  if (shown.length === 0) return [];
  const inDbs = databases.some(({ db }) => db !== 0);
  const rows = shown.map(({ key, bytes: size, type, encoding, elements, ttl_ms, db }) => [
    { value: key, text: shorten(key) },
    bytes(size),
    type,
    encoding,
    count(elements),
    ttl_ms === null ? 'never' : ms(ttl_ms),
    ...(inDbs ? [db] : []),
  ]);
  const columns = [
    'key',
    'bytes',
    'type',
    'encoding',
    'elements',
    'expires in',
    ...(inDbs ? ['db'] : []),
  ];
  const optional = ['encoding', 'expires in', 'elements', 'type'];
  return [{ title: 'Largest keys', table: { columns, rows, optional } }];
}

interface Class {
  name: string;
  keys: number;
  bytes: number;
}

function histogram(title: string, column: string, classes: readonly Class[]): Block[] {
  const keys = sum(classes.map((each) => each.keys));
  const rows = classes.map((each) => [
    each.name,
    count(each.keys),
    percent(keys === 0 ? 0 : each.keys / keys),
    bytes(each.bytes),
  ]);
  return [
    { title, table: { columns: [column, 'keys', 'share', 'bytes'], rows, optional: ['share'] } },
  ];
}

function ttlRows({ ttl_histogram }: Report): Class[] {
  return ttl_histogram.map(({ up_to_ms, ...rest }) => ({
    ...rest,
    name:
      up_to_ms === null
        ? 'never'
        : up_to_ms === Number.MAX_SAFE_INTEGER
          ? 'longer'
          : spanText(up_to_ms),
  }));
}

function todo(report: Report): Block[] {
  const found = advise(report);
  // The terminal puts a blank line after tables only where the next block is one.
  return found.flatMap(({ text, command }) => [
    { note: text, tone: 'warn' as const },
    ...(command === undefined ? [] : [{ note: `  $ ${command}` }]),
  ]);
}

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
