import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Application } from '../applications/client.js';
import { readBeside } from '../applications/counters.js';
import { withDotEnv } from '../config/environment.js';
import type { Context } from '../context.js';
import { CacheOpsError, codeOf, ExitCode } from '../errors.js';
import { toBytes } from '../keys/names.js';
import { applicationPrefix } from '../keys/prefix.js';
import type { Block } from '../output/blocks.js';
import { emit } from '../output/emit.js';
import { ms, printable, status } from '../output/format.js';
import { junit } from '../output/junit.js';
import { type Consent, consent } from '../prompt.js';
import { type Check, runCheck, Skip, STAGES, type Stage, SURVIVES } from '../rollout/stages.js';
import { verifyStage } from '../rollout/verify.js';
import { atTarget, oneTarget } from './keys/targets.js';

const SWITCHES = [
  'REDIS_ENABLED',
  'REDIS_TASK_STATUS_ENABLED',
  'REDIS_CHAT_SESSION_ENABLED',
  'REDIS_CACHE_ENABLED',
  'REDIS_RATE_LIMIT_ENABLED',
] as const;

export function register(command: Command, context: Context): void {
  const stages = Object.entries(STAGES).map(([stage, { name }]) => `  ${stage}  ${name}`);
  command.addHelpText(
    'after',
    `
Stages, one switch at a time, each watched for 30 to 60 minutes:
${stages.join('\n')}

Examples:
  $ cache-ops rollout status
  $ cache-ops rollout verify 1 --yes --junit stage1.xml`,
  );
  command
    .command('status')
    .description('which switches are on, and which mode each instance is in')
    .addHelpText(
      'after',
      `
The switches of this folder's environment and .env, and those that each application says are in
force in its health. An instance that says nothing of them shows "?".`,
    )
    .action(async () => emit(context, await rolloutStatus(context), renderStatus));
  command
    .command('verify')
    .description('the acceptance checks of a stage, run for real')
    .argument('<stage>', '0, 1, 2 or 3')
    .option('--target <redis>', 'the Redis that the applications use')
    .option('--junit <file>', 'write the report as JUnit XML')
    .option('--restart', 'stage 0: restart Redis by a drill, and look whether its data survives')
    .option('--dry-run', 'with --restart: say how Redis would be restarted, and do nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the name of the Redis, for production')
    .addHelpText(
      'after',
      `
It writes task status, sessions and cache entries of users of its own (cache-ops-...) through every
application, looks at them in Redis, and removes them again. Routes as the reference service has
them: /api/tasks/{task}, /api/sessions/{kind}/{task} with X-User-Id, and the probe's.
Stage 0 only reads, unless --restart is given: then, when its other checks have passed, the drill
redis-restart-data stops and starts Redis by its configured control. Its report is in drill history.
Exit 3 when a check failed, 7 when Redis was not started again; the way back is printed.`,
    )
    .action(async (stage: string, flags: VerifyFlags) => {
      if (flags.dryRun) return previewRestart(context, stage, flags);
      const result = await verify(context, stage, flags);
      await emit(context, result, renderVerify);
      if (!result.ok) context.exitCode = ExitCode.bad;
      if (flags.junit !== undefined) writeReport(resolve(context.cwd, flags.junit), result);
    });
}

interface VerifyFlags extends Consent {
  target?: string;
  junit?: string;
  restart?: boolean;
  dryRun?: boolean;
}

const statusResult = z.object({
  /** As this folder's environment has them; null: not set. */
  environment: z.array(z.object({ switch: z.string(), value: z.nullable(z.string()) })),
  applications: z.array(
    z.object({
      name: z.string(),
      answers: z.boolean(),
      mode: z.nullable(z.string()),
      tasks: z.nullable(z.string()),
      sessions: z.nullable(z.string()),
      rate_limit: z.nullable(z.string()),
      /** What takes its jobs now. */
      queue: z.nullable(z.string()),
      switches: z.nullable(z.record(z.string(), z.boolean())),
    }),
  ),
  /** Whether all instances say the same of their switches. */
  agree: z.boolean(),
});
type StatusResult = z.infer<typeof statusResult>;

async function rolloutStatus(context: Context): Promise<StatusResult> {
  const config = await context.config();
  const env = withDotEnv(context.env, context.cwd);
  const { timeout } = context.settings;
  const applications = await Promise.all(
    Object.entries(config.applications).map(async ([name, application]) => {
      const limits = { timeout, signal: context.signal };
      const health = await readBeside({ name, config: application }, application.health, limits);
      const text = (field: string) =>
        typeof health?.[field] === 'string' ? (health[field] as string) : null;
      const at = application.mode.at.slice(1);
      const switches = z.record(z.string(), z.boolean()).safeParse(health?.switches).data ?? null;
      return {
        name,
        answers: health !== undefined,
        mode: text(at),
        ...{ tasks: text('tasks'), sessions: text('sessions'), rate_limit: text('rate_limit') },
        queue: text('queue'),
        switches,
      };
    }),
  );
  context.signal.throwIfAborted();
  const said = applications.flatMap(({ switches }) => (switches ? JSON.stringify(switches) : []));
  return statusResult.parse({
    environment: SWITCHES.map((name) => ({ switch: name, value: env[name] ?? null })),
    applications,
    agree: new Set(said).size <= 1,
  });
}

const verifyResult = z.object({
  ok: z.boolean(),
  stage: z.number(),
  name: z.string(),
  way_back: z.string(),
  checks: z.array(
    z.object({
      subject: z.string(),
      check: z.string(),
      status: z.enum(['passed', 'failed', 'skipped']),
      ms: z.number(),
      detail: z.nullable(z.string()),
    }),
  ),
});
type VerifyResult = z.infer<typeof verifyResult>;

function stageOf(word: string, { restart, dryRun }: VerifyFlags): Stage {
  if (!Object.hasOwn(STAGES, word))
    throw new CacheOpsError('usage', `"${word}" is not a stage`, '0, 1, 2 or 3');
  if (restart && word !== '0')
    throw new CacheOpsError('usage', '--restart belongs to stage 0', 'cache-ops rollout verify 0');
  if (dryRun && !restart)
    throw new CacheOpsError(
      'usage',
      '--dry-run shows a restart only',
      'cache-ops rollout verify 0 --restart --dry-run',
    );
  return Number(word) as Stage;
}

async function previewRestart(context: Context, word: string, flags: VerifyFlags): Promise<void> {
  stageOf(word, flags);
  const { preview, renderPreview } = await import('./drill/render.js');
  const { planRestart } = await import('./drill/restart.js');
  const target = oneTarget(await context.config(), flags.target, '--target');
  await emit(context, preview(await planRestart(context, target.name)), renderPreview);
}

async function verify(context: Context, word: string, flags: VerifyFlags): Promise<VerifyResult> {
  const stage = stageOf(word, flags);
  const config = await context.config();
  const target = oneTarget(config, flags.target, '--target');
  const applications: Application[] = Object.entries(config.applications).map(
    ([name, application]) => ({ name, config: application }),
  );
  if (stage > 0 && applications.length === 0)
    throw new CacheOpsError(
      'config',
      'no application is configured',
      'applications: in cache-ops.yaml',
    );
  // Stage 0 only reads.
  if (stage > 0) {
    const asked = `Write marked tasks, sessions and entries through ${applications.length} applications?`;
    await consent(context, asked, target.name, flags);
  }
  const limits = { timeout: context.settings.timeout, signal: context.signal };
  const checks = await atTarget(context, target, {}, (masters) =>
    verifyStage(stage, {
      masters,
      prefix: toBytes(applicationPrefix(config)),
      applications,
      limits,
      restarts: flags.restart === true,
    }),
  );
  if (flags.restart) checks.push(await restart(context, target.name, checks, flags));
  const { name, back } = STAGES[stage];
  return verifyResult.parse({
    ok: checks.every((check) => check.status !== 'failed'),
    ...{ stage, name, way_back: back, checks },
  });
}

/** Only where all else is well: a Redis that keeps nothing would lose what it has. */
async function restart(
  context: Context,
  target: string,
  before: readonly Check[],
  flags: VerifyFlags,
): Promise<Check> {
  if (before.some(({ status: state }) => state === 'failed'))
    return runCheck(target, SURVIVES, async () => {
      throw new Skip('not restarted, as a check before has failed');
    });
  const { planRestart, restartByDrill } = await import('./drill/restart.js');
  const plan = await planRestart(context, target);
  const { address } = plan.prepared;
  await consent(context, `Restart Redis ${target} (${address})?`, target, flags);
  return restartByDrill(context, plan);
}

function renderStatus({ environment, applications, agree }: StatusResult): Block[] {
  const on = (value: boolean | undefined) =>
    value === undefined
      ? status('?', 'unknown')
      : status(value ? 'on' : 'off', value ? 'ok' : 'dim');
  return [
    {
      table: {
        columns: ['switch', 'here', ...applications.map(({ name }) => name)],
        rows: environment.map(({ switch: name, value }) => [
          name,
          value,
          ...applications.map(({ switches }) => on(switches?.[name])),
        ]),
      },
    },
    ...(applications.length === 0
      ? []
      : [
          {
            table: {
              columns: ['instance', 'cache', 'tasks', 'sessions', 'rate limit', 'queue'],
              rows: applications.map((one) => [
                one.name,
                one.answers ? one.mode : status('no answer', 'critical'),
                one.tasks,
                one.sessions,
                one.rate_limit,
                one.queue,
              ]),
            },
          },
        ]),
    ...(agree
      ? []
      : [
          {
            note: 'The instances have different switches: a rollout is half done.',
            tone: 'warn' as const,
          },
        ]),
  ];
}

const TONE = { passed: 'ok', failed: 'critical', skipped: 'unknown' } as const;

function renderVerify({ checks, stage, name, way_back, ok }: VerifyResult): Block[] {
  const failed = checks.filter((check) => check.status === 'failed').length;
  return [
    {
      table: {
        columns: ['subject', 'check', 'status', 'time', 'detail'],
        optional: ['time'],
        rows: checks.map((check) => [
          check.subject,
          check.check,
          status(check.status, TONE[check.status]),
          ms(check.ms),
          check.detail,
        ]),
      },
    },
    {
      note: `Stage ${stage}, ${name}: ${ok ? 'accepted' : `${failed} checks failed`}.`,
      tone: ok ? 'ok' : 'critical',
    },
    { note: `The way back: ${way_back}` },
  ];
}

function writeReport(file: string, { stage, checks }: VerifyResult): void {
  const cases = checks.map(({ subject, check, status: state, ms: took, detail }) => ({
    name: check,
    group: subject,
    ms: took,
    failure: state === 'failed' ? printable(detail ?? '') : undefined,
    skipped: state === 'skipped',
  }));
  try {
    writeFileSync(file, junit(`cache-ops rollout verify ${stage}`, cases));
  } catch (error) {
    throw new CacheOpsError('state', `cannot write ${file} (${codeOf(error)})`);
  }
}
