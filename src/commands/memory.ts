import type { Command } from 'commander';
import type { Context } from '../context.js';
import { registerBigkeys } from './memory/bigkeys.js';
import { registerCapacity } from './memory/capacity.js';
import { registerDiff } from './memory/diff.js';
import { registerKey } from './memory/key.js';
import { registerOverview } from './memory/overview.js';
import { registerReports } from './memory/reports.js';

/** A topic, and without a subcommand a command of its own: `memory [target...]`. */
export function register(command: Command, context: Context): void {
  // What `memory` itself takes is no flag of its subcommands, though commander counts it as inherited.
  command.configureHelp({
    ...command.configureHelp(),
    visibleGlobalOptions: () => command.parent?.options.filter(({ hidden }) => !hidden) ?? [],
  });
  registerKey(command, context);
  registerBigkeys(command, context);
  registerCapacity(command, context);
  registerReports(command, context);
  registerDiff(command, context);
  registerOverview(command, context);
}
