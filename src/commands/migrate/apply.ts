import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { applyPlan } from '../../migration/apply/apply.js';
import { readJournal } from '../../migration/apply/journal.js';
import { UNDONE } from '../../migration/outcome.js';
import {
  CONFLICT_MODES,
  type ConflictMode,
  claimPlan,
  findPlan,
  type Plan,
  planFolder,
  storePlan,
} from '../../migration/plan/store.js';
import { type Consent, consent } from '../../prompt.js';
import type { RedisTarget } from '../../redis/target.js';
import { countText } from '../../words.js';
import { reportApply, resumeOf, sayDry } from './apply-report.js';
import { applyOfJobs } from './jobs.js';
import { guardMemory, type HowFull } from './memory.js';
import { type AtTarget, atTarget, self, shapeFor, targetOf } from './place.js';
import { applyToFile, isToFile } from './to-file.js';

interface Flags extends Consent, HowFull {
  resume?: boolean;
  onConflict: ConflictMode;
  rate?: string;
  to?: string;
}

export function registerApply(topic: Command, context: Context): void {
  topic
    .command('apply')
    .description('write what a plan says')
    .argument('<plan>', 'as plan or list names it')
    .option('--resume', 'go on where an interrupted run has come to')
    .addOption(
      new Option('--on-conflict <mode>', 'where a key has another value already')
        .choices(CONFLICT_MODES)
        .default('newer'),
    )
    .option('--rate <n>', 'at most so many entries a second')
    .option('--allow-memory', 'also where the target would be more than 80 % full')
    .option('--dry-run', 'say what would be written, and write nothing')
    .option('--to <target>', 'the Redis again, where the plan has it by its URL')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the name of the Redis, for production')
    .addHelpText(
      'after',
      `
newer (the default) overwrites a value only if the entry's own time is later than the value's; the
value is compared again, to the byte, in the step that overwrites it. skip leaves what is there,
overwrite replaces it, fail stops. Of --kind keys no times are known: newer leaves what is there, lists
it and ends with 4. What is overwritten is kept for a rollback. Applying a plan twice
writes nothing the second time.

Exit codes: 0 every entry is in the target; 4 some are not (also those that the plan could not take),
they are listed; 5 the target went away: go on with --resume; 6 refused; 130 interrupted.

Examples:
  $ cache-ops migrate apply 20240607-101500-tasks-1f2e3d
  $ cache-ops migrate apply 20240607-101500-tasks-1f2e3d --resume --rate 5000`,
    )
    .action((id: string, flags: Flags) => apply(context, id, flags));
}

async function apply(context: Context, id: string, flags: Flags): Promise<void> {
  const { state } = context;
  const rate = flags.rate === undefined ? undefined : parseCount(flags.rate, '--rate');
  findPlan(state, id);
  const lock = claimPlan(state, id, self(context));
  try {
    // Another process may have had it until now.
    const plan = findPlan(state, id);
    if (plan.state === 'rolling back')
      throw new CacheOpsError(
        'refused',
        `${id} is being rolled back`,
        `end that first: cache-ops migrate rollback ${id}`,
      );
    if (plan.state === 'rolled back') startAnew(planFolder(state, id));
    if (plan.kind === 'jobs') return await applyOfJobs(context, plan, { ...flags, rate });
    if (isToFile(plan)) return await applyToFile(context, plan, flags);
    const target = await targetOf(context, plan, flags.to);
    await applyTo(context, plan, target, { ...flags, rate });
  } finally {
    lock.release();
  }
}

type How = Omit<Flags, 'rate'> & { rate: number | undefined };

async function applyTo(context: Context, plan: Plan, target: RedisTarget, how: How): Promise<void> {
  const { state, now } = context;
  const folder = planFolder(state, plan.id);
  const journal = await readJournal(folder);
  let report: Awaited<ReturnType<typeof reportApply>> | undefined;
  try {
    await atTarget(context, target, async (at) => {
      const share = journal.position / Math.max(plan.records, 1);
      const wanted = guardMemory(plan, at.state, Math.max(0, 1 - share), how);
      if (how.dryRun) return sayDry(context, plan, how.onConflict, wanted);
      await consent(context, question(plan), plan.target, how);
      storePlan(state, { ...plan, state: 'applying', ended_at: null });
      // Another process may have lost what the one before had acknowledged: a failover, a restart.
      const same = journal.run === at.state.run_ids;
      const from = how.resume && same && journal.position < plan.records ? journal.position : 0;
      report = await reportApply(context, plan, from);
      const config = await context.config();
      const work = { ...at, folder, journal, from, rate: how.rate, mode: how.onConflict };
      for await (const step of applyPlan({ ...work, shape: shapeFor(config, plan.kind) }))
        await report.step(step);
      if (!context.signal.aborted) await demandSame(context, target, at);
    });
  } catch (error) {
    if (!report) throw error;
    await report.end('failed');
    throw resumable(error, plan);
  }
  if (!report) return;
  const finished = report.position >= plan.records;
  if (finished) {
    const ended_at = new Date(now()).toISOString();
    storePlan(state, { ...plan, state: 'applied', ended_at });
  }
  const result = await report.end(finished ? 'finished' : 'interrupted');
  const undone = plan.bad > 0 || UNDONE.some((name) => (result?.counts[name] ?? 0) > 0);
  if (finished && undone) context.exitCode = ExitCode.partial;
}

function startAnew(folder: string): void {
  for (const name of ['journal.ndjson', 'outcomes.bin', 'undo.ndjson', 'rollback.ndjson'])
    rmSync(join(folder, name), { force: true });
}

/** A failover that kept the connection of the old master open: what it took may be lost. */
async function demandSame(context: Context, target: RedisTarget, { state }: AtTarget) {
  const now = await atTarget(context, target, async (at) => at.state.run_ids);
  if (now === state.run_ids || state.run_ids.includes('unknown-')) return;
  throw new CacheOpsError(
    'connect',
    `${target.name} is served by another process than when this began: what it had taken may be lost`,
  );
}

function question({ entries, kind, target, environment }: Plan): string {
  return `Write ${countText(entries)} ${kind} to ${target} in ${environment}?`;
}

function resumable(error: unknown, plan: Plan): unknown {
  if (!(error instanceof CacheOpsError)) return error;
  const before = error.hint && error.code !== 'state' ? `${error.hint}; then ` : '';
  return new CacheOpsError(error.code, error.message, `${before}go on with: ${resumeOf(plan)}`);
}
