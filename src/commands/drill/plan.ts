import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Context } from '../../context.js';
import { EXPERIMENTS } from '../../drills/catalogue.js';
import type { Plan } from '../../drills/engine.js';
import type { PlanFile, PlannedDrill } from '../../drills/plan-file.js';
import type { Report } from '../../drills/record.js';
import { CacheOpsError, codeOf, ExitCode } from '../../errors.js';
import type { Block } from '../../output/blocks.js';
import { emit, emitLine } from '../../output/emit.js';
import { ms, status } from '../../output/format.js';
import { type Consent, consent } from '../../prompt.js';
import { notRestored, perform, type ReportFiles, writeReport } from './perform.js';
import { junitCases, preview } from './render.js';
import { planDrill, type Request } from './request.js';

interface Flags extends Consent, Pick<ReportFiles, 'junit'> {
  compare?: boolean;
}

/** Drills of a file: a team's own experiments, one or several in their order. */
export function registerPlan(command: Command, context: Context): void {
  command
    .command('plan')
    .description('run the drills of a file, in their order; it stops at one that is not restored')
    .argument('<file>', 'YAML: a drill with its limits, or suite: NAME and drills: [...]')
    .option('--compare', 'hold each report against the last one of that drill')
    .option('--junit <file>', 'write all reports as one JUnit XML')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the target, or the suite where there are several; for production')
    .addHelpText('after', EXAMPLE)
    .action(async (file: string, flags: Flags) => {
      const { suite, drills } = await read(context, file);
      const plans = await planAll(context, drills);
      const names = [...new Set(plans.map(({ prepared }) => prepared.target.name))];
      const title = suite ?? drills[0]?.name ?? drills[0]?.drill ?? file;
      await consent(
        context,
        `Run ${drills.length} drill(s) on ${names.join(', ')}?`,
        names.length === 1 && names[0] ? names[0] : title,
        flags,
      );
      await runAll(context, title, drills, flags);
    });
  command
    .command('check')
    .description('check a file of drills, and rehearse each restoration; nothing is broken')
    .argument('<file>', 'the file')
    .action(async (file: string) => {
      const { suite, drills } = await read(context, file);
      const plans = await planAll(context, drills);
      await emit(context, { suite, drills: plans.map(preview) }, renderCheck);
    });
}

async function read(context: Context, file: string): Promise<PlanFile> {
  let text: string;
  try {
    text = readFileSync(resolve(context.cwd, file), 'utf8');
  } catch (error) {
    throw new CacheOpsError('config', `cannot read ${file} (${codeOf(error)})`);
  }
  const { readPlan } = await import('../../drills/plan-file.js');
  return readPlan(text, file);
}

/** All are looked at before the first one runs: a fault of the last one is no surprise in the night. */
async function planAll(context: Context, drills: readonly PlannedDrill[]): Promise<Plan[]> {
  const plans: Plan[] = [];
  for (const drill of drills) plans.push(await planDrill(context, toRequest(drill)));
  return plans;
}

function toRequest(drill: PlannedDrill): Request {
  const experiment = EXPERIMENTS.find(({ name }) => name === drill.drill);
  if (!experiment) throw new Error(`there is no drill ${drill.drill}`);
  const { settle, hold, max_degrade, max_recover, deadline, delay, jitter } = drill;
  const { min_availability: percent, break: own } = drill;
  return {
    experiment: { ...experiment, name: drill.name ?? experiment.name },
    target: drill.target,
    task: drill.task,
    applications: drill.applications,
    allowDataLoss: drill.allow_data_loss,
    minAvailability: percent === undefined ? undefined : percent / 100,
    commands: own && { stop: own.with, start: own.mend },
    limits: {
      ...(settle !== undefined && { settle }),
      ...(hold !== undefined && { hold }),
      ...(max_degrade !== undefined && { maxDegrade: max_degrade }),
      ...(max_recover !== undefined && { maxRecover: max_recover }),
      ...(deadline !== undefined && { deadline }),
    },
    params: { ...(delay !== undefined && { delay }), ...(jitter !== undefined && { jitter }) },
  };
}

async function runAll(
  context: Context,
  suite: string,
  drills: readonly PlannedDrill[],
  flags: Flags,
): Promise<void> {
  const reports: Report[] = [];
  const { junit } = await import('../../output/junit.js');
  const finish = () => {
    if (flags.junit)
      writeReport(resolve(context.cwd, flags.junit), junit(suite, reports.flatMap(junitCases)));
  };
  for (const drill of drills) {
    // Looked at anew: the drill before may have changed what is there.
    const plan = await planDrill(context, toRequest(drill));
    const compare = flags.compare === true;
    const report = await perform(context, plan, { compare, as: 'item' });
    reports.push(report);
    if (report.restored) context.signal.throwIfAborted();
    else {
      finish();
      throw notRestored(plan, report);
    }
  }
  finish();
  const result = {
    suite,
    passed: reports.every(({ verdict }) => verdict === 'passed'),
    drills: reports.map(({ id, drill, target, verdict, reasons, outage_ms }) => ({
      id,
      drill,
      target,
      verdict,
      reasons,
      outage_ms,
    })),
  };
  if (context.settings.json || !context.stdout.isTTY)
    emitLine(context, { type: 'summary', ...result });
  else await emit(context, result, renderSuite);
  if (!result.passed) context.exitCode = ExitCode.bad;
}

function renderSuite({
  drills,
}: {
  drills: Pick<Report, 'id' | 'drill' | 'target' | 'verdict' | 'outage_ms'>[];
}): Block[] {
  return [
    {
      table: {
        columns: ['drill', 'target', 'verdict', 'outage', 'id'],
        rows: drills.map(({ id, drill, target, verdict, outage_ms }) => [
          drill,
          target,
          status(verdict, verdict === 'passed' ? 'ok' : 'critical'),
          ms(outage_ms),
          id,
        ]),
      },
    },
  ];
}

function renderCheck({
  drills,
}: {
  suite: string | null;
  drills: ReturnType<typeof preview>[];
}): Block[] {
  return [
    {
      table: {
        columns: ['drill', 'target', 'break', 'mend', 'applications'],
        rows: drills.map((drill) => [
          drill.drill,
          `${drill.target} (${drill.address})`,
          drill.break,
          drill.mend,
          drill.applications.join(', '),
        ]),
      },
    },
    {
      note: 'The file is right, and each restoration can be done. Nothing was broken.',
      tone: 'dim',
    },
  ];
}

const EXAMPLE = `
A file:
  suite: nightly
  drills:
    - { drill: redis-hang, target: main, hold: 2s, max_degrade: 2s, max_recover: 5s }
    - drill: redis-down
      name: redis-unplugged            # of one's own: other commands, the same proof
      break: { with: "./unplug.sh", mend: "./plug-in.sh" }
      min_availability: 99.9
`;
