import type { Command } from 'commander';
import type { Context } from '../context.js';
import { EXPERIMENTS } from '../drills/catalogue.js';
import { registerPlan } from './drill/plan.js';
import { registerProxy } from './drill/proxy.js';
import { registerRecords } from './drill/records.js';
import { registerRun } from './drill/run.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
A drill breaks something on purpose, proves what the applications do, and makes it good again.
Restoring does not depend on this command: a watchdog of its own does it when the command is
killed or stopped, or its terminal is closed.

Examples:
  $ cache-ops drill list                       what there is, and what can be run here
  $ cache-ops drill redis-down --dry-run       what would be stopped, and how it comes back
  $ cache-ops drill redis-down main --yes      run it: exit 0 passed, 3 failed, 7 NOT restored
  $ cache-ops drill worker-crash worker-1 --yes   kill -9 in the middle of a split task
  $ cache-ops drill plan nightly.yaml --yes    a team's own drills, one after the other
  $ cache-ops drill restore                    after a crash of everything: restore what is open`,
  );
  for (const experiment of EXPERIMENTS) registerRun(command, experiment, context);
  registerPlan(command, context);
  registerRecords(command, context);
  registerProxy(command, context);
}
