import type { Command } from 'commander';
import type { Context } from '../context.js';
import { registerCheck } from './alert/check.js';
import { registerRules } from './alert/rules.js';
import { registerSilence } from './alert/silence.js';
import { registerTest } from './alert/test.js';
import { registerWatch } from './alert/watch.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
A rule is inactive, pending (bad, but not for long enough), firing, resolved, or unknown
where its value cannot be had. A target that is down inhibits its other alerts.
The state is kept between runs, so that a rule's time also passes between runs of cron.

Examples:
  $ cache-ops alert check                     what fires now; exit 3 if anything does
  $ cache-ops alert check --notify            the same from cron, and the sinks are told
  $ cache-ops alert watch                     a daemon: every 60 s, until it is ended
  $ cache-ops alert rules                     the rules in force, and where each is from
  $ cache-ops alert silence memory --for 2h --reason "import runs"
  $ cache-ops alert test                      a test message to every sink`,
  );
  registerCheck(command, context);
  registerWatch(command, context);
  registerRules(command, context);
  registerSilence(command, context);
  registerTest(command, context);
}
