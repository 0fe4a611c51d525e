import type { Command } from 'commander';
import type { Context } from '../../context.js';

export interface CapacityFlags {
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
    .action(async (targets: string[], flags: CapacityFlags) => {
      const { runCapacity } = await import('./capacity-run.js');
      await runCapacity(context, targets, flags);
    });
}
