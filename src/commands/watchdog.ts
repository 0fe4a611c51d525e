import type { Command } from 'commander';
import type { Context } from '../context.js';
import { runWatchdog } from '../drills/watchdog.js';

/** Started by a drill, not by people: see drills/watchdog.ts. */
export function register(command: Command, context: Context): void {
  command
    .argument('<folder>')
    .argument('<deadline>')
    .action((folder: string, deadline: string) =>
      runWatchdog(context, context.state, folder, Number(deadline)),
    );
}
