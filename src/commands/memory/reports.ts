import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { headSchema } from '../../memory/report.js';
import { findReport, storedReports } from '../../memory/store.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { bytes, count, status } from '../../output/format.js';
import { DETAIL, writeReport, writingFrom } from './write-report.js';

const reportsResult = z.object({ reports: z.array(headSchema) });
type ReportsResult = z.infer<typeof reportsResult>;

/** The commands about reports that are stored. */
export function registerReports(topic: Command, context: Context): void {
  topic
    .command('reports')
    .description('the stored reports of memory bigkeys, newest first')
    .argument('[target]', 'of this target only')
    .addHelpText(
      'after',
      `
Examples:
  $ cache-ops memory reports
  $ cache-ops memory reports main --json | jq -r '.reports[0].id'`,
    )
    .action(async (target: string | undefined) => {
      await emit(context, reports(context, target), renderReports);
    });
  topic
    .command('show')
    .description('a stored report once more')
    .argument('[report]', 'id or its beginning, last, previous, a target or a file (default: last)')
    .option('--depth <n>', `levels of the tree (default: ${DETAIL.depth})`)
    .option('--top <n>', `so many of the largest keys (default: ${DETAIL.top})`)
    .option('--format <format>', 'table, tsv, csv or ndjson (default: table; tsv in a pipe)')
    .option('--list <what>', 'what tsv and csv list: groups or keys (default: groups)')
    .addHelpText(
      'after',
      `
Groups under 1 % of the bytes and of the keys are put into one line each; tsv, csv and --json have all.

Examples:
  $ cache-ops memory show --depth 5
  $ cache-ops memory show main --format csv --list keys > keys.csv
  $ cache-ops memory show previous --json | jq '.tree.children[] | {pattern, bytes}'`,
    )
    .action(async (name: string | undefined, flags: ShowFlags) => {
      const { depth, top } = flags;
      const writing = {
        ...writingFrom(flags),
        ...(depth !== undefined && { depth: parseCount(depth, '--depth') }),
        ...(top !== undefined && { top: parseCount(top, '--top', 0) }),
      };
      await writeReport(context, findReport(context.state, name ?? 'last', context.cwd), writing);
    });
}

interface ShowFlags {
  depth?: string;
  top?: string;
  format?: string;
  list?: string;
}

function reports(context: Context, target: string | undefined): ReportsResult {
  const all = storedReports(context.state);
  return { reports: all.filter((report) => target === undefined || report.target === target) };
}

function renderReports({ reports: all }: ReportsResult): Block[] {
  if (all.length === 0) {
    return [{ note: 'No report is stored. Make one: cache-ops memory bigkeys' }];
  }
  const columns = ['report', 'target', 'at', 'source', 'keys', 'bytes', 'state'];
  const rows = all.map((report) => [
    report.id,
    report.target,
    report.at,
    report.source,
    count(report.totals.keys),
    bytes(report.totals.bytes),
    stateOf(report),
  ]);
  return [{ table: { columns, rows, optional: ['at', 'source', 'target', 'state', 'keys'] } }];
}

/** Whether it is about every key. */
function stateOf({ partial, sampled, filter }: ReportsResult['reports'][number]) {
  if (partial !== null) return status('partial', 'warn');
  if (sampled) return status(`sample ${sampled.part}/${sampled.of}`, 'warn');
  const filtered = Object.values(filter).some((value) => value !== null);
  return filtered ? status('filtered', 'dim') : status('whole', 'ok');
}
