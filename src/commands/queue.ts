import type { Command } from 'commander';
import type { Context } from '../context.js';
import { registerActs } from './queue/act.js';
import { registerClean } from './queue/clean.js';
import { registerHistory } from './queue/history.js';
import { registerJobs } from './queue/jobs.js';
import { registerLs } from './queue/ls.js';
import { registerPause } from './queue/pause.js';
import { registerShow } from './queue/show.js';
import { registerStats } from './queue/stats.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
Works on every queue of the configuration, of BullMQ and of pg-boss alike. A queue is named "mail",
"bull:mail" where another prefix or schema has one of that name, or "main/bull:mail".
The states: waiting, delayed, active, blocked (waits for other jobs), completed, failed, cancelled.

Examples:
  $ cache-ops queue ls                               every queue, what waits and what failed
  $ cache-ops queue jobs mail --error /ETIMEDOUT/    which jobs failed so
  $ cache-ops queue show 4711                        one job in depth, whichever queue it is in
  $ cache-ops queue retry --queue mail --error /ETIMEDOUT/ --dry-run
  $ cache-ops queue clean mail --older-than 7d       finished jobs; the newest are kept`,
  );
  registerLs(command, context);
  registerStats(command, context);
  registerJobs(command, context);
  registerShow(command, context);
  registerActs(command, context);
  registerClean(command, context);
  registerPause(command, context);
  registerHistory(command, context);
}
