import type { Command } from 'commander';
import type { Context } from '../../context.js';
import { MOST_CHANGES } from './shown.js';

export interface DiffFlags {
  limit?: string;
}

export function registerDiff(topic: Command, context: Context): void {
  topic
    .command('diff')
    .description('what grew and what shrank between two reports')
    .argument(
      '[before]',
      'id or its beginning, last, previous, a target or a file (default: previous)',
    )
    .argument('[after]', 'the same (default: last)')
    .option('-n, --limit <n>', `so many groups and keys; 0: all (default: ${MOST_CHANGES})`)
    .addHelpText(
      'after',
      `
The largest change of bytes comes first. A group is left out when its change is that of one group in
it. "unclear" is what a sample or a partial report cannot tell; "entered" and "left" are keys that are
among the largest of one report only. Exit 0, whatever has changed.

Examples:
  $ cache-ops memory diff                          the last report and the one before it
  $ cache-ops memory diff monday.json last
  $ cache-ops memory diff --json | jq '.groups[] | select(.change == "grown")'`,
    )
    .action(async (before: string | undefined, after: string | undefined, flags: DiffFlags) => {
      const { runDiff } = await import('./diff-run.js');
      await runDiff(context, [before, after], flags);
    });
}
