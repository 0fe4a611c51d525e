import type { Command } from 'commander';
import type { Context } from '../context.js';
import { registerClean } from './cache/clean.js';
import { registerClear } from './cache/clear.js';
import { registerStats } from './cache/stats.js';
import { registerWarm } from './cache/warm.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
The cache on Redis is the keys under {prefix}:{env}:cache:, that in Postgres the table app_cache.

Examples:
  $ cache-ops cache stats                          entries by module, hit rates of the applications
  $ cache-ops cache clear 'asl:llm:*' --dry-run
  $ cache-ops cache clean                          expired rows of Postgres, 1,000 at a time
  $ cache-ops cache warm entries.ndjson`,
  );
  registerStats(command, context);
  registerClear(command, context);
  registerClean(command, context);
  registerWarm(command, context);
}
