import type { Command } from 'commander';
import type { Context } from '../../context.js';
import { DETAIL } from './shown.js';

export interface ShowFlags {
  depth?: string;
  top?: string;
  format?: string;
  list?: string;
}

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
      const { runReports } = await import('./reports-run.js');
      await runReports(context, target);
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
      const { runShow } = await import('./reports-run.js');
      await runShow(context, name, flags);
    });
}
