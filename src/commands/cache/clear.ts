import type { Command } from 'commander';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { matching } from '../../keys/bulk/select.js';
import { toBytes } from '../../keys/names.js';
import { escapeGlob, hasWildcard, literalOf, meansAll } from '../../keys/pattern.js';
import { applicationPrefix } from '../../keys/prefix.js';
import { addChangeFlags, type ChangeFlags, changeOrPreview } from '../keys/change.js';
import { queuePrefixes } from '../keys/queue-prefixes.js';
import { addTarget, oneTarget, type TargetFlags, whereOf } from '../keys/targets.js';

interface Flags extends ChangeFlags, TargetFlags {
  all?: boolean;
}

export function registerClear(topic: Command, context: Context): void {
  const command = topic
    .command('clear')
    .description('removes entries of the cache on Redis that match a pattern')
    .argument('[pattern]', "a glob over the applications' own keys, such as 'asl:llm:*'");
  addTarget(command).option('--all', 'every entry of the cache');
  addChangeFlags(command)
    .addHelpText(
      'after',
      `
The pattern is of the keys as applications write them, without {prefix}:{env}:cache:, and only such
entries are removed: never a task, a session, a lock or a job. As with keys rm, which it goes on
with after an interruption (cache-ops keys rm --resume). An instance that keeps entries in memory
before Redis (CACHE_TWO_LEVEL) serves them for 30 s at most.
The table in Postgres: an application's DELETE /api/cache?pattern=, and cache clean for what is expired.

Examples:
  $ cache-ops cache clear 'asl:llm:*' --dry-run
  $ cache-ops cache clear --all --yes`,
    )
    .action((pattern: string | undefined, flags: Flags) => clear(context, pattern, flags));
}

async function clear(context: Context, pattern: string | undefined, flags: Flags): Promise<void> {
  if (flags.resume !== undefined)
    throw new CacheOpsError(
      'usage',
      'an interrupted clearing goes on with: cache-ops keys rm --resume',
    );
  const everything = pattern === undefined || meansAll(pattern);
  if (everything !== (flags.all === true))
    throw new CacheOpsError(
      'usage',
      everything ? 'which entries? Give a pattern' : '--all does not go with a pattern',
      everything ? '--all for every entry of the cache' : 'leave one of them out',
    );
  const config = await context.config();
  const target = oneTarget(config, flags.target, '--target');
  const prefix = `${toBytes(applicationPrefix(config))}cache:`;
  const wanted = everything
    ? { match: `${escapeGlob(prefix)}*` }
    : hasWildcard(pattern)
      ? { match: escapeGlob(prefix) + toBytes(pattern) }
      : { key: prefix + toBytes(literalOf(pattern)) };
  await changeOrPreview(
    context,
    {
      action: 'rm',
      target,
      where: whereOf(flags),
      what: everything ? 'all entries of the cache' : `cache entries ${pattern}`,
      select: matching(wanted, queuePrefixes(config, target)),
      guard({ queues }) {
        if (queues.size === 0) return;
        throw new CacheOpsError('refused', 'some of these keys belong to BullMQ queues');
      },
    },
    flags,
  );
}
