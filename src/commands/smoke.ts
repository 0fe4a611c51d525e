import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../context.js';
import { CacheOpsError, codeOf, type ErrorCode, ExitCode } from '../errors.js';
import type { Block } from '../output/blocks.js';
import { emit, say } from '../output/emit.js';
import { ms, printable, status } from '../output/format.js';
import { startProgress } from '../output/progress.js';
import { annotation } from '../smoke/annotation.js';
import type { Leftover, Run } from '../smoke/check.js';
import { type Plan, planSmoke, runSmoke } from '../smoke/smoke.js';

interface Flags {
  target?: string[];
  application?: string[];
  redis: boolean;
  expectMode: Run['expectMode'];
  junit?: string;
}

export function register(command: Command, context: Context): void {
  command
    .option('--target <name...>', 'Redis of the configuration (default: all with the role cache)')
    .option('--application <name...>', 'applications of the configuration (default: all)')
    .option('--no-redis', 'ask the applications only')
    .addOption(
      new Option('--expect-mode <mode>', 'the mode that the applications are to be in')
        .choices(['redis', 'memory'])
        .default('redis'),
    )
    .option('--junit <file>', 'write the report as JUnit XML')
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      const plan = planSmoke(await context.config(), {
        targets: flags.target,
        applications: flags.application,
        redis: flags.redis,
      });
      await act(context, plan, flags);
    });
}

const HELP = `
Of a Redis:         ping, write-read, object, has-delete, 50kb (written and read in under 10 ms,
                    the best of 3), ttl (2 s, watched until it is gone).
Of an application:  mode (its health names the expected one), write, read-through every other
                    application on the same Redis; read-back when there is no other, and always
                    with --expect-mode memory.
It writes under {keys.prefix}:cache-ops:smoke:{random}: only, and removes each key by its name, also
when a check fails or it is interrupted. Each key lives 60 s at most, whatever happens.

Exit 0 when no check failed, 3 when one did, 5 when a Redis could not be connected to at all.
With GITHUB_ACTIONS=true each failure is also an annotation, written to stderr.

Examples:
  $ cache-ops smoke                                      every cache, every application
  $ cache-ops smoke --target main --json                 one Redis; one JSON document
  $ cache-ops smoke --expect-mode memory                 after a rollback to memory mode
  $ cache-ops smoke --expect-mode memory --no-redis      ... while Redis is away

A step of GitHub Actions, after the deployment:
  - run: npx cache-ops smoke --junit smoke.xml
    env:
      REDIS_URL: \${{ secrets.REDIS_URL }}
  - if: always()
    uses: actions/upload-artifact@v4
    with: { name: smoke, path: smoke.xml }`;

const smokeResult = z.object({
  ok: z.boolean(),
  took_ms: z.number(),
  checks: z.array(
    z.object({
      subject: z.string(),
      kind: z.enum(['redis', 'application']),
      check: z.string(),
      status: z.enum(['passed', 'failed', 'skipped']),
      ms: z.number(),
      detail: z.nullable(z.string()),
    }),
  ),
  /** What could not be removed: in Redis for 60 s at most, in an application as its probe's body says. */
  leftovers: z.array(
    z.object({
      subject: z.string(),
      kind: z.enum(['redis', 'application']),
      key: z.string(),
      reason: z.string(),
    }),
  ),
});
export type SmokeResult = z.infer<typeof smokeResult>;

async function act(context: Context, plan: Plan, { junit, expectMode }: Flags): Promise<void> {
  const file = junit === undefined ? undefined : resolve(context.cwd, junit);
  // At once, so that a wrong path is known before anything is written anywhere, and so that a run
  // that is killed leaves a report that says so rather than the one of the last run.
  if (file) await writeReport(file, UNFINISHED, 'usage', 'nothing has been checked');
  const result = await smoke(context, plan, expectMode);
  await emit(context, result, renderSmoke);
  if (context.env.GITHUB_ACTIONS === 'true') {
    for (const check of failed(result)) context.stderr.write(`${printable(annotation(check))}\n`);
  }
  if (!result.ok) {
    context.exitCode = unconnected(result).length > 0 ? ExitCode.connect : ExitCode.bad;
  }
  if (file) await writeReport(file, junitCases(result), 'state', 'the checks are done, see above');
}

export async function smoke(
  context: Context,
  plan: Plan,
  expectMode: Run['expectMode'] = 'redis',
): Promise<SmokeResult> {
  const { keys } = await context.config();
  const began = context.now();
  const id = randomBytes(8).toString('hex');
  const leftovers: Leftover[] = [];
  let done = 0;
  const progress = await startProgress(context, 'Checking');
  try {
    const checks = await runSmoke(plan, {
      id,
      keyPrefix: `${keys.prefix}:cache-ops:smoke:${id}:`,
      expectMode,
      timeout: context.settings.timeout,
      signal: context.signal,
      onCheck({ subject, check }) {
        done += 1;
        progress.say(`${done} checks done, the last: ${subject} ${check}`);
      },
      onLeftover: (leftover) => void leftovers.push(leftover),
    });
    const ok = checks.every(({ status }) => status !== 'failed');
    return smokeResult.parse({ ok, took_ms: context.now() - began, checks, leftovers });
  } finally {
    progress.stop();
    if (context.signal.aborted) for (const leftover of leftovers) say(context, remark(leftover));
  }
}

function failed({ checks }: SmokeResult): SmokeResult['checks'] {
  return checks.filter(({ status }) => status === 'failed');
}

/** The Redis that could not be connected to at all. */
function unconnected(result: SmokeResult): SmokeResult['checks'] {
  return failed(result).filter(({ kind, check }) => kind === 'redis' && check === 'ping');
}

export function renderSmoke(result: SmokeResult): Block[] {
  const { ok, took_ms, checks, leftovers } = result;
  const skipped = checks.filter(({ status }) => status === 'skipped').length;
  const counts = [
    `${checks.length - failed(result).length - skipped} passed`,
    `${failed(result).length} failed`,
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  return [
    {
      table: {
        columns: ['subject', 'kind', 'check', 'status', 'time', 'detail'],
        optional: ['kind', 'time'],
        rows: checks.map((check) => [
          check.subject,
          check.kind,
          check.check,
          status(check.status, TONE[check.status]),
          check.status === 'skipped' ? null : ms(check.ms),
          check.detail,
        ]),
      },
    },
    ...unconnected(result).map(({ subject }) => ({
      note: `Which stage of the connection fails: cache-ops ping ${subject}`,
    })),
    ...leftovers.map((leftover) => ({ note: remark(leftover), tone: 'warn' as const })),
    { note: `${counts.join(', ')} in ${ms(took_ms).text}.`, tone: ok ? 'ok' : 'critical' },
  ];
}

const TONE = { passed: 'ok', failed: 'critical', skipped: 'unknown' } as const;

function remark({ subject, kind, key, reason }: Leftover): string {
  const end =
    kind === 'redis' ? 'it expires within 60 s' : "it stays as long as the probe's body says";
  return `${subject}: ${key} was not removed (${reason}); ${end}.`;
}

function junitCases({ checks }: SmokeResult) {
  return checks.map(({ subject, check, status, ms: took, detail }) => ({
    name: check,
    group: subject,
    ms: took,
    // XML knows no control characters.
    failure: status === 'failed' ? printable(detail ?? '') : undefined,
    skipped: status === 'skipped',
  }));
}

const UNFINISHED = [{ name: 'run', group: 'smoke', failure: 'the run did not come to its end' }];

async function writeReport(
  file: string,
  cases: Parameters<typeof import('../output/junit.js').junit>[1],
  code: ErrorCode,
  hint: string,
): Promise<void> {
  const { junit } = await import('../output/junit.js');
  try {
    writeFileSync(file, junit('smoke', cases));
  } catch (error) {
    throw new CacheOpsError(code, `cannot write ${file} (${codeOf(error)})`, hint);
  }
}
