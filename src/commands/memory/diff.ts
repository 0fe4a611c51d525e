import type { Command } from 'commander';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { diffReports, diffSchema } from '../../memory/diff.js';
import { findReport } from '../../memory/store.js';
import { emit } from '../../output/emit.js';
import { MOST_CHANGES, renderDiff } from './render-diff.js';

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
    .action(
      async (before: string | undefined, after: string | undefined, flags: { limit?: string }) => {
        const { state, cwd, stdout } = context;
        const limit =
          flags.limit === undefined ? MOST_CHANGES : parseCount(flags.limit, '--limit', 0);
        const find = (name: string) => findReport(state, name, cwd);
        const diff = diffReports(find(before ?? 'previous'), find(after ?? 'last'));
        const detail = { limit, uniform: !stdout.isTTY };
        await emit(context, diffSchema.parse(diff), (all) => renderDiff(all, detail));
      },
    );
}
