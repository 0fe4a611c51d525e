import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Application } from '../../applications/client.js';
import type { Config } from '../../config/load.js';
import { nearest } from '../../config/nearest.js';
import { parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { newId, type Plan, runDrill } from '../../drills/engine.js';
import type { Experiment, Limits } from '../../drills/experiment.js';
import { inWords } from '../../drills/faults/act.js';
import { markdown } from '../../drills/markdown.js';
import { type Report, storeReport } from '../../drills/record.js';
import { prepare } from '../../drills/subject.js';
import { CacheOpsError, codeOf, ExitCode } from '../../errors.js';
import { emit, emitLine } from '../../output/emit.js';
import { type Consent, consent } from '../../prompt.js';
import { selectRedis } from '../../redis/target.js';
import { audit } from '../../state/audit.js';
import { junitCases, preview, renderEvent, renderPreview, renderReport } from './render.js';

interface Flags extends Consent {
  app?: string[];
  hold?: string;
  maxDegrade?: string;
  maxRecover?: string;
  deadline?: string;
  delay?: string;
  jitter?: string;
  allowDataLoss?: boolean;
  markdown?: string;
  junit?: string;
  dryRun?: boolean;
}

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
  command
    .argument('[target]', 'a Redis of the configuration (default: the only one)')
    .option('--app <name...>', 'applications to watch (default: all that use the target)')
    .option(
      '--hold <duration>',
      `how long it stays broken after the applications have degraded ${byDefault('hold')}`,
    )
    .option(
      '--max-degrade <duration>',
      `longest time to ${experiment.degraded} mode ${byDefault('maxDegrade')}`,
    )
    .option(
      '--max-recover <duration>',
      `longest time back to ${experiment.steady} mode ${byDefault('maxRecover')}`,
    )
    .option(
      '--deadline <duration>',
      `the watchdog restores after this, whatever happens ${byDefault('deadline')}`,
    )
    .option('--markdown <file>', 'write the report as Markdown')
    .option('--junit <file>', 'write the report as JUnit XML')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <target>', "the target's name, needed in production")
    .action(async (target: string | undefined, flags: Flags) => {
      const plan = await planDrill(context, experiment, target, flags);
      if (flags.dryRun) return emit(context, preview(plan), renderPreview);
      const { prepared } = plan;
      const where = `${prepared.target.name} (${prepared.address})`;
      await consent(
        context,
        `${experiment.words.ask} ${where} for about ${plan.experiment.limits.hold / 1_000} s?`,
        prepared.target.name,
        flags,
      );
      const report = await runAndReport(context, plan, flags);
      if (!report.restored) {
        throw new CacheOpsError(
          'not_restored',
          `Redis ${where} is NOT restored: ${report.reasons[0]}`,
          `cache-ops drill restore; by hand: ${inWords(prepared.fault).mends}`,
        );
      }
      if (report.verdict !== 'passed') context.exitCode = ExitCode.bad;
    });
}

async function planDrill(
  context: Context,
  experiment: Experiment,
  name: string | undefined,
  flags: Flags,
): Promise<Plan> {
  const config = await context.config();
  const [target, ...others] = selectRedis(config, name === undefined ? [] : [name]);
  if (!target || others.length > 0) {
    throw new CacheOpsError(
      'usage',
      'there is more than one Redis: say which',
      `one of ${Object.keys(config.redis).join(', ')}`,
    );
  }
  const limits = { ...experiment.limits, ...limitsFrom(flags) };
  const params = { ...experiment.params, ...paramsFrom(flags) };
  const id = newId(context.now());
  const keyPrefix = `${config.keys.prefix}:${config.environment}:drill:${id}`;
  const applications = selectApplications(config, target.name, flags.app, experiment);
  const { timeout } = context.settings;
  const prepared = await prepare(
    target,
    { ...experiment, limits, params },
    keyPrefix,
    { ...context, config },
    { timeout, signal: context.signal },
  );
  // Moved to another port it keeps what it has.
  const stops = experiment.persistence && prepared.fault.way.kind !== 'port';
  if (stops && !prepared.persistence && !flags.allowDataLoss) {
    throw new CacheOpsError(
      'refused',
      `${target.name} keeps nothing over a stop: neither AOF nor RDB is on`,
      'switch one on, or add --allow-data-loss',
    );
  }
  return {
    id,
    experiment: { ...experiment, limits, params },
    prepared,
    applications,
    environment: config.environment,
    keyPrefix,
    timeout,
  };
}

function paramsFrom({ delay, jitter }: Flags): Record<string, number> {
  return {
    ...(delay !== undefined && { delay: parseDuration(delay, '--delay') }),
    ...(jitter !== undefined && { jitter: parseDuration(jitter, '--jitter') }),
  };
}

function limitsFrom({ hold, maxDegrade, maxRecover, deadline }: Flags): Partial<Limits> {
  return {
    ...(hold !== undefined && { hold: parseDuration(hold, '--hold') }),
    ...(maxDegrade !== undefined && { maxDegrade: parseDuration(maxDegrade, '--max-degrade') }),
    ...(maxRecover !== undefined && { maxRecover: parseDuration(maxRecover, '--max-recover') }),
    ...(deadline !== undefined && { deadline: parseDuration(deadline, '--deadline') }),
  };
}

/** The applications that cache in the target, or the named ones; refuses when they could prove nothing. */
function selectApplications(
  { applications, redis }: Config,
  target: string,
  names: string[] | undefined,
  { needsApplications }: Experiment,
): Application[] {
  const unknown = names?.find((name) => !Object.hasOwn(applications, name));
  if (unknown)
    throw new CacheOpsError(
      'not_found',
      `no application is named "${unknown}"`,
      nearest(unknown, Object.keys(applications)),
    );
  const [first] = Object.keys(redis);
  const chosen = Object.entries(applications)
    .filter(([name, config]) => (names ? names.includes(name) : (config.redis ?? first) === target))
    .map(([name, config]) => ({ name, config }));
  if (chosen.length === 0 && needsApplications) {
    throw new CacheOpsError(
      'refused',
      `no application that uses ${target} is configured: the drill could prove nothing`,
      'add it under applications',
    );
  }
  const silent = chosen.find(({ config }) => !config.probe);
  if (silent) {
    throw new CacheOpsError(
      'refused',
      `${silent.name} has no probe: its health alone proves nothing`,
      `add applications.${silent.name}.probe with a route to write and one to read`,
    );
  }
  return chosen;
}

async function runAndReport(context: Context, plan: Plan, flags: Flags): Promise<Report> {
  const { stdout, settings } = context;
  const asLines = settings.json || !stdout.isTTY;
  // Before anything is broken: an upgrade in the middle of a drill takes the files away.
  const [{ junit }] = await Promise.all([
    import('../../output/junit.js'),
    import('../../output/terminal.js'),
  ]);
  const { report, samples, folder } = await runDrill(plan, {
    ...context,
    onEvent(event) {
      if (asLines) emitLine(context, { type: 'progress', ...event });
      else if (!settings.quiet) stdout.write(renderEvent(event, stdout.columns));
    },
  });
  if (asLines) emitLine(context, { type: 'summary', ...report });
  else await emit(context, report, renderReport);
  audit(context, {
    action: `drill ${report.drill}`,
    target: report.target,
    result: report.restored ? report.verdict : 'not restored',
    detail: { id: report.id, restored_by: report.restored_by },
  });
  const texts = {
    markdown: markdown(report),
    junit: junit(`drill ${report.drill}`, junitCases(report)),
  };
  storeReport(folder, report, {
    'report.md': texts.markdown,
    'junit.xml': texts.junit,
    'samples.ndjson': samples.map((sample) => `${JSON.stringify(sample)}\n`).join(''),
  });
  for (const format of ['markdown', 'junit'] as const) {
    if (flags[format]) writeReport(resolve(context.cwd, flags[format]), texts[format]);
  }
  return report;
}

function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new CacheOpsError(
      'state',
      `cannot write ${file} (${codeOf(error)})`,
      'the drill is over and closed: cache-ops drill history has its report',
    );
  }
}
