import type { Command } from 'commander';
import type { Context } from '../context.js';
import { registerDiff } from './memory/diff.js';
import { registerReports } from './memory/reports.js';

export function register(command: Command, context: Context): void {
  registerReports(command, context);
  registerDiff(command, context);
}
