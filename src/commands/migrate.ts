import type { Command } from 'commander';
import type { Context } from '../context.js';
import { registerApply } from './migrate/apply.js';
import { registerList } from './migrate/list.js';
import { registerPlan } from './migrate/plan.js';
import { registerRollback } from './migrate/rollback.js';
import { registerVerify } from './migrate/verify.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
A plan is made once and holds every entry with a checksum. What apply writes is exactly that; after a
kill, a restart of Redis or a failover, apply --resume ends with it. A value that an application has
changed meanwhile is never overwritten by an older one.

Examples:
  $ cache-ops migrate plan --from tasks.ndjson --to redis:main
  $ cache-ops migrate apply 20240607-101500-tasks-1f2e3d
  $ cache-ops migrate verify 20240607-101500-tasks-1f2e3d --watch 10m
  $ cache-ops migrate rollback 20240607-101500-tasks-1f2e3d`,
  );
  registerPlan(command, context);
  registerApply(command, context);
  registerVerify(command, context);
  registerRollback(command, context);
  registerList(command, context);
}
