import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { flatGroups } from '../../memory/flat.js';
import type { Report } from '../../memory/report.js';
import { csv } from '../../output/csv.js';
import { emit, emitLine, say } from '../../output/emit.js';
import { printable } from '../../output/format.js';
import { cautionsOf, type Detail, renderReport } from './render-report.js';
import { DETAIL } from './shown.js';

const FORMATS = ['table', 'tsv', 'csv', 'ndjson'] as const;
const LISTS = ['groups', 'keys'] as const;

export interface Writing extends Partial<Detail> {
  /** Default: a table on a terminal, TSV in a pipe. */
  format?: (typeof FORMATS)[number];
  /** What TSV and CSV list; default: groups. */
  list?: (typeof LISTS)[number];
}

/** `--format` and `--list` checked. */
export function writingFrom({ format, list }: { format?: string; list?: string }): Writing {
  return {
    ...(format !== undefined && { format: oneOf('--format', FORMATS, format) }),
    ...(list !== undefined && { list: oneOf('--list', LISTS, list) }),
  };
}

function oneOf<T extends string>(flag: string, words: readonly T[], word: string): T {
  const known = words.find((each) => each === word);
  if (known) return known;
  throw new CacheOpsError('usage', `${flag}: "${word}" is none of ${words.join(', ')}`);
}

/** Writes a report to stdout; one JSON document with `--json`, whatever the format. */
export async function writeReport(
  context: Context,
  report: Report,
  writing: Writing,
): Promise<void> {
  const { settings, stdout } = context;
  const format = writing.format ?? (stdout.isTTY ? 'table' : 'tsv');
  if (settings.json || format === 'table') {
    return emit(context, report, (all) => renderReport(all, { ...DETAIL, ...writing }));
  }
  for (const caution of cautionsOf(report)) say(context, caution);
  if (format === 'ndjson') return writeLines(context, report);
  const { columns, rows } = writing.list === 'keys' ? keyTable(report) : groupTable(report);
  stdout.write(format === 'csv' ? csv([columns, ...rows]) : rows.map(tabbed).join(''));
}

/** NDJSON: a line a group and a key, and the whole report as the summary. */
export function writeLines(context: Context, report: Report): void {
  for (const group of flatGroups(report)) emitLine(context, { type: 'item', group });
  for (const key of report.top) emitLine(context, { type: 'item', key });
  emitLine(context, { type: 'summary', ...report });
}

type Value = string | number | null;

interface Lines {
  columns: string[];
  rows: Value[][];
}

/** Every group, however small. Parents hold what is in their children. */
function groupTable(report: Report): Lines {
  const columns = [
    ...['group', 'bytes', 'share', 'keys', 'average', 'p99', 'largest', 'no_ttl', 'no_ttl_bytes'],
    ...['depth', 'sampled', 'keys_low', 'keys_high', 'bytes_low', 'bytes_high'],
  ];
  const rows = [...flatGroups(report)].map((group): Value[] => [
    printable(group.pattern),
    group.bytes,
    Number(group.share.toFixed(6)),
    group.keys,
    group.average,
    group.p99,
    group.max,
    group.no_ttl,
    group.no_ttl_bytes,
    group.depth,
    group.sampled ?? null,
    group.keys_between?.low ?? null,
    group.keys_between?.high ?? null,
    group.bytes_between?.low ?? null,
    group.bytes_between?.high ?? null,
  ]);
  return { columns, rows };
}

/** The largest keys. One whose name cannot be shown as it is has its bytes in base64, too. */
function keyTable({ top }: Report): Lines {
  const columns = [
    ...['key', 'bytes', 'type', 'encoding', 'elements', 'ttl_ms', 'idle_s', 'frequency'],
    ...['db', 'server', 'key_base64'],
  ];
  const rows = top.map((key): Value[] => {
    const name = printable(key.key);
    const exact = name === key.key ? null : Buffer.from(key.key, 'utf8').toString('base64');
    return [
      name,
      key.bytes,
      printable(key.type),
      key.encoding,
      key.elements,
      key.ttl_ms,
      key.idle_s,
      key.frequency,
      key.db,
      key.server,
      key.key_base64 ?? exact,
    ];
  });
  return { columns, rows };
}

const tabbed = (row: readonly Value[]): string =>
  `${row.map((value) => String(value ?? '')).join('\t')}\n`;
