import type { Command } from 'commander';
import { deliver, keep, tellingAt } from '../../alerts/delivery.js';
import { evaluate } from '../../alerts/evaluate.js';
import { alertFolder, claimAlerts, momentOf } from '../../alerts/folder.js';
import {
  alertLines,
  type CheckResult,
  checkResult,
  countsOf,
  statusOf,
} from '../../alerts/result.js';
import { readSilences } from '../../alerts/silences.js';
import { type AlertState, loadState } from '../../alerts/state.js';
import type { Context } from '../../context.js';
import { ExitCode } from '../../errors.js';
import { emit, say } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import type { State } from '../../state/folder.js';
import { nagiosCode, nagiosLine } from './nagios.js';
import { renderCheck } from './render.js';
import { demandTargets, type Setup, sayProblems, setUp } from './setup.js';

interface Flags {
  notify?: boolean;
  nagios?: boolean;
  long?: boolean;
}

export function registerCheck(topic: Command, context: Context): void {
  topic
    .command('check')
    .description('judge everything once: what fires, what is pending, what is unknown')
    .option('--notify', 'tell the sinks what has changed, and what waits from before')
    .option('--nagios', 'one line with performance data; exit 0, 1, 2 or 3')
    .option('-l, --long', 'also what is well')
    .addHelpText(
      'after',
      `
The estate is only read. The state of each rule is kept in the state folder, so that a rule
that must be bad for 5 minutes fires in the run after them; rates are those between two runs.
Where alert watch runs on the same state folder, it keeps the state and tells the sinks, and
this only looks.

In a pipe: phase, severity, rule, target, value, since, inhibited by, what is the case, what to do.

Exit codes: 0 nothing fires; 3 something does; 4 nothing fires, but a rule or a sink of the
configuration makes no sense and was left out. With --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

Examples:
  $ cache-ops alert check --long                           every rule on every target
  * * * * * cache-ops alert check --notify --quiet         in a crontab
  $ cache-ops alert check --nagios                         as a plug-in of Nagios or Icinga
  $ cache-ops alert check --json | jq '.alerts[] | select(.phase == "firing")'`,
    )
    .action(async (flags: Flags) => {
      const result = await check(context, flags);
      if (flags.nagios) {
        context.stdout.write(`${nagiosLine(result)}\n`);
        context.exitCode = nagiosCode(result);
        return;
      }
      await emit(context, result, (all) => renderCheck(all, { long: flags.long }));
      if (result.problems.length > 0) context.exitCode = ExitCode.partial;
      if (result.counts.firing > 0) context.exitCode = ExitCode.bad;
    });
}

export async function check(context: Context, flags: Pick<Flags, 'notify'>): Promise<CheckResult> {
  const setup = setUp(await context.config());
  demandTargets(setup.config);
  sayProblems(context, setup);
  const folder = alertFolder(context.state, setup.config);
  const claimed = claimAlerts(folder, context.host.pid);
  const progress = await startProgress(context, 'Looking at the estate');
  try {
    const state = loadState(folder);
    const { signal, settings } = context;
    const evaluation = await evaluate(setup.config, setup.book, state, {
      moment: momentOf(context),
      folder: context.state,
      signal,
      timeout: settings.timeout,
      notice: (text) => say(context, text),
    });
    progress.stop();
    const kept = 'release' in claimed;
    if (!kept && flags.notify)
      say(context, `process ${claimed.holder.pid} watches this estate and tells the sinks`);
    const told = kept && flags.notify ? await notify(context, setup, folder, state) : null;
    if (kept && !flags.notify) keep(folder, state, (text) => say(context, text));
    const alerts = alertLines(evaluation, state, readSilences(folder, context.now()));
    return checkResult.parse({
      status: statusOf(alerts),
      estate: setup.config.estate,
      environment: setup.config.environment,
      at: new Date(evaluation.at).toISOString(),
      took_ms: evaluation.took_ms,
      counts: countsOf(alerts),
      alerts,
      problems: setup.problems.map(({ path, message }) => ({ path: path.join('.'), message })),
      kept,
      told,
    });
  } finally {
    progress.stop();
    if ('release' in claimed) claimed.release();
  }
}

/** What is due goes out at once: nobody is there to wait for more of the group. */
async function notify(
  context: Context,
  { config, sinks }: Setup,
  folder: State,
  state: AlertState,
): Promise<CheckResult['told']> {
  const [{ openOutbox }, { clockOf }] = await Promise.all([
    import('../../alerts/outbox.js'),
    import('../../alerts/clock.js'),
  ]);
  const notice = (text: string) => say(context, text);
  const outbox = await openOutbox(folder, sinks, {
    clock: clockOf(context.now),
    pid: context.host.pid,
    signal: context.signal,
    notice,
    stdout: context.stdout,
  });
  try {
    await deliver(folder, state, outbox, tellingAt(folder, config, context.now(), 0), notice);
    // What is left then waits on disk.
    return await outbox.settle(context.settings.timeout);
  } finally {
    await outbox.close();
  }
}
