import type { Command } from 'commander';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { matching, type Selection } from '../../keys/bulk/select.js';
import { meansAll } from '../../keys/pattern.js';
import { countText } from '../../words.js';
import { addChangeFlags, type ChangeFlags, changeOrPreview, refuseWords } from './change.js';
import { resumeChange } from './change-run.js';
import { queuePrefixes } from './queue-prefixes.js';
import { addTarget, oneTarget, type TargetFlags, wantedBy, whereOf } from './targets.js';

interface Flags extends ChangeFlags, TargetFlags {
  all?: boolean;
  includeQueues?: boolean;
}

export function registerRm(topic: Command, context: Context): void {
  const command = topic
    .command('rm')
    .description('keys that match a pattern are removed for good')
    .argument('[pattern]', "a glob such as 'tmp:*', in quotes");
  addTarget(command)
    .option('--all', 'every key of the database')
    .option('--include-queues', 'also keys of BullMQ queues');
  addChangeFlags(command)
    .addHelpText(
      'after',
      `
First the keys are chosen: their names are written to a file of the state folder. Then it asks, and
removes exactly these, in chunks, by UNLINK (before Redis 4 by DEL). What it guarantees:
  - A key that came after the choosing is left alone, whatever its name.
  - Keys are removed by name: one that was written anew or changed since it was chosen is removed
    too. Stop the writers first, or choose a pattern that nobody writes.
  - After a kill, --resume goes on with the same names; at most 1,000 are in doubt, and said to be.
Keys of BullMQ queues are refused unless --include-queues; "queue rm" and "queue clean" are for jobs.
No pattern, "" and "*" never mean everything: that is --all.
Exit 0 when none of them is there any more; 4 when some were refused or hidden by the ACL; 6 refused;
130 interrupted, go on with --resume.

Examples:
  $ cache-ops keys rm 'tmp:*' --dry-run                     how many, how large, of which kinds
  $ cache-ops keys rm 'asl:llm:*' --rate 5000 --yes
  $ cache-ops keys rm 'asl:llm:*' --confirm main            in production
  $ cache-ops keys rm --resume                              go on after an interruption`,
    )
    .action((pattern: string | undefined, flags: Flags) => rm(context, pattern, flags));
}

async function rm(context: Context, pattern: string | undefined, flags: Flags): Promise<void> {
  if (flags.resume !== undefined) {
    const words = [pattern, flags.db].filter((word) => word !== undefined);
    refuseWords('keys rm', words, flags);
    return resumeChange(context, 'rm', flags, flags.target);
  }
  const wanted = chosenBy(pattern, flags);
  const config = await context.config();
  const target = oneTarget(config, flags.target, '--target');
  await changeOrPreview(
    context,
    {
      action: 'rm',
      target,
      where: whereOf(flags),
      what: flags.all ? 'all keys' : `keys ${pattern}`,
      select: matching(wanted, queuePrefixes(config, target)),
      guard: (selection) => guard(selection, flags),
    },
    flags,
  );
}

function chosenBy(pattern: string | undefined, { all }: Flags): { match?: string; key?: string } {
  const everything = pattern === undefined || meansAll(pattern);
  if (everything && !all) {
    throw new CacheOpsError(
      'usage',
      'which keys? Give a pattern, or --all for every key of the database',
      `${pattern === undefined ? 'no pattern' : `"${pattern}"`} never means all; see keys rm --help`,
    );
  }
  if (!everything && all) {
    throw new CacheOpsError('usage', '--all does not go with a pattern', 'leave one of them out');
  }
  return everything ? {} : wantedBy(pattern);
}

/** A queue without some of its keys loses jobs, or stands still. */
function guard({ queues }: Selection, { includeQueues }: Flags): void {
  if (queues.size === 0 || includeQueues) return;
  const names = [...queues.keys()];
  const keys = [...queues.values()].reduce((sum, each) => sum + each, 0);
  const shown = names.slice(0, 3).join(', ') + (names.length > 3 ? ', ...' : '');
  throw new CacheOpsError(
    'refused',
    `${countText(keys)} of these keys belong to BullMQ queues: ${shown}`,
    'narrow the pattern; for jobs there is cache-ops queue rm; --include-queues removes them all the same',
  );
}
