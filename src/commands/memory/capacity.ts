import type { Command } from 'commander';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import {
  type CapacityResult,
  capacityResult,
  type Estimate,
  estimate,
  estimateFor,
} from '../../memory/capacity.js';
import { emit } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { selectRedis } from '../../redis/target.js';
import { parseItems, parseSize } from './items.js';
import { renderCapacity } from './render-capacity.js';

interface Flags {
  item: string[];
  fromLive: string[];
  overhead: string;
  limit?: string;
}

export function registerCapacity(topic: Command, context: Context): void {
  const collect = (value: string, earlier: string[]) => [...earlier, value];
  topic
    .command('capacity')
    .description('would so many values of that size fit: the estimate against each limit')
    .argument('[target...]', 'names from the configuration, or redis:// URLs (default: all)')
    .option('--item <name=NxSIZE>', 'so many values of that size; repeat it', collect, [])
    .option('--from-live <name=glob>', 'take the size of live keys; repeat it', collect, [])
    .option('--overhead <size>', 'what is needed beside the values', '20mb')
    .option('--limit <size>', 'against this limit instead of those of the servers')
    .addHelpText(
      'after',
      `
Number x size, and the overhead, against the limit: fits up to 80 %, tight up to 100 %, else
too_small. Sizes are binary, as in redis.conf: 1kb is 1024 bytes. The limit of a cluster is that
of its masters together. With --limit alone no Redis is asked.
--from-live measures up to 1,000 keys of each server that match (MEMORY USAGE, which counts the
key and its bookkeeping too), with their spread; --item NAME=COUNT is then enough. It reads only.

Exit 3 where it would not fit into 80 %; 5 when a target cannot be reached.

Examples:
  $ cache-ops memory capacity --item results=1000x50kb --item checks=1000x5kb
  $ cache-ops memory capacity --limit 256mb --item results=1000x50kb
  $ cache-ops memory capacity main --item results=20000 --from-live 'results=asl:llm:*'`,
    )
    .action(async (targets: string[], flags: Flags) => {
      const request = {
        items: parseItems(flags.item, flags.fromLive),
        overhead: parseSize(flags.overhead, '--overhead'),
        limit: flags.limit === undefined ? undefined : parseLimit(flags.limit),
      };
      const result = await capacity(context, targets, request);
      await emit(context, result, renderCapacity);
      if (result.targets.some(({ verdict }) => verdict !== 'fits')) context.exitCode = ExitCode.bad;
      if (result.targets.some(({ reachable }) => !reachable)) context.exitCode = ExitCode.connect;
    });
}

function parseLimit(text: string): number {
  const limit = parseSize(text, '--limit');
  if (limit > 0) return limit;
  throw new CacheOpsError('usage', '--limit: nothing fits into 0');
}

export async function capacity(
  context: Context,
  targets: readonly string[],
  request: Estimate,
): Promise<CapacityResult> {
  const live = request.items.some((item) => item.live !== undefined);
  if (request.limit !== undefined && targets.length === 0 && !live)
    return capacityResult.parse({ targets: [estimate(request)] });
  const config = await context.config();
  if (targets.length === 0 && Object.keys(config.redis).length === 0 && !live)
    throw new CacheOpsError(
      'config',
      'no Redis is configured whose limit could be taken',
      'give the limit: --limit 256mb',
    );
  const chosen = selectRedis(config, targets);
  const limits = { timeout: context.settings.timeout, signal: context.signal };
  const names = chosen.map(({ name }) => name).join(', ');
  const progress = await startProgress(context, `Measuring ${names}`);
  try {
    const estimates = chosen.map((target) => estimateFor(target, request, limits));
    return capacityResult.parse({ targets: await Promise.all(estimates) });
  } finally {
    progress.stop();
  }
}
