import type { Command } from 'commander';
import type { Context } from '../../context.js';
import type { Experiment, Limits } from '../../drills/experiment.js';
import { ExitCode } from '../../errors.js';
import { emit } from '../../output/emit.js';
import { type Consent, consent } from '../../prompt.js';
import { notRestored, perform, type ReportFiles } from './perform.js';
import { preview, renderPreview } from './render.js';
import { type LimitFlags, planDrill, requestOf } from './request.js';

interface Flags extends Consent, LimitFlags, ReportFiles {
  compare?: boolean;
  dryRun?: boolean;
}

/** What the limits mean: they are of the same kind in every drill. */
const SERVER = {
  argument: '[target]',
  applications: 'all that use the target',
  hold: 'the applications have degraded',
  degrade: 'to memory mode',
};
const WORDS = {
  redis: { ...SERVER, target: 'Redis', recover: 'back to redis mode' },
  postgres: {
    ...SERVER,
    target: 'Postgres',
    recover: 'until all is as before, and workers have finished what they were at',
  },
  worker: {
    argument: '[worker]',
    target: 'worker',
    applications: 'all but the one that ends with the worker',
    hold: 'others have gone on with its batch',
    degrade: 'until others take its batch up',
    recover: 'until the task is over then',
  },
} satisfies Record<Experiment['server'], object>;

export function registerRun(parent: Command, experiment: Experiment, context: Context): void {
  const { name, summary, limits, params } = experiment;
  const byDefault = (limit: keyof Limits) => `(default: ${limits[limit] / 1_000}s)`;
  const command = parent.command(name).description(summary);
  if (params.delay !== undefined) {
    command
      .option('--delay <duration>', `how late answers come (default: ${params.delay}ms)`)
      .option('--jitter <duration>', 'how much earlier or later than that (default: 0)');
  }
  if (experiment.persistence)
    command.option('--allow-data-loss', 'also break a Redis without persistence');
  const words = WORDS[experiment.server];
  if (experiment.server === 'worker')
    command.option('--task <id>', 'a split task that is under way (default: one of its own)');
  command
    .argument(words.argument, `a ${words.target} of the configuration (default: the only one)`)
    .option('--app <name...>', `applications to watch (default: ${words.applications})`)
    .option(
      '--hold <duration>',
      `how long it stays broken after ${words.hold} ${byDefault('hold')}`,
    )
    .option('--max-degrade <duration>', `longest time ${words.degrade} ${byDefault('maxDegrade')}`)
    .option('--max-recover <duration>', `longest time ${words.recover} ${byDefault('maxRecover')}`)
    .option(
      '--min-availability <percent>',
      'share of requests that must be answered rightly (default: 100)',
    )
    .option(
      '--deadline <duration>',
      `the watchdog restores after this, whatever happens ${byDefault('deadline')}`,
    )
    .option('--compare', 'hold the report against the last one of this drill')
    .option('--markdown <file>', 'write the report as Markdown')
    .option('--junit <file>', 'write the report as JUnit XML')
    .option('--html <file>', 'write the report as one HTML page')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <target>', "the target's name, needed in production")
    .action(async (target: string | undefined, flags: Flags) => {
      const plan = await planDrill(context, requestOf(experiment, target, flags));
      if (flags.dryRun) return emit(context, preview(plan), renderPreview);
      const { prepared } = plan;
      const where = `${prepared.target.name} (${prepared.address})`;
      const { hold } = plan.experiment.limits;
      await consent(
        context,
        `${experiment.words.ask} ${where} for about ${hold / 1_000} s?`,
        prepared.target.name,
        flags,
      );
      const report = await perform(context, plan, {
        files: flags,
        compare: flags.compare === true,
      });
      if (!report.restored) throw notRestored(plan, report);
      if (report.verdict !== 'passed') context.exitCode = ExitCode.bad;
    });
}
