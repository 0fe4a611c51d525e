import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { named } from '../../keys/names.js';
import { applyPlan, type Step } from '../../migration/apply/apply.js';
import { readJournal } from '../../migration/apply/journal.js';
import {
  countOutcomes,
  MEANINGS,
  noOutcomes,
  OUTCOMES,
  type Outcome,
  type OutcomeCounts,
  UNDONE,
} from '../../migration/outcome.js';
import { EntryBytes } from '../../migration/plan/bytes.js';
import {
  CONFLICT_MODES,
  type ConflictMode,
  claimPlan,
  findPlan,
  type Plan,
  planFolder,
  storePlan,
} from '../../migration/plan/store.js';
import { FULLEST, shareWith, type TargetState } from '../../migration/target/state.js';
import { emit, emitLine, say } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { type Consent, consent } from '../../prompt.js';
import type { RedisTarget } from '../../redis/target.js';
import { audit } from '../../state/audit.js';
import { age, countText, percentText } from '../../words.js';
import { applyOfJobs } from './jobs.js';
import { type AtTarget, atTarget, self, shapeFor, targetOf } from './place.js';
import { renderApply } from './render-apply.js';
import { applyToFile, isToFile } from './to-file.js';

interface Flags extends Consent {
  resume?: boolean;
  onConflict: ConflictMode;
  rate?: string;
  allowMemory?: boolean;
  dryRun?: boolean;
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
overwrite replaces it, fail stops. What is overwritten is kept for a rollback. Applying a plan twice
writes nothing the second time.

Exit codes: 0 every entry is in the target; 4 some are not (also those that the plan could not take),
they are listed; 5 the target went away: go on with --resume; 6 refused; 130 interrupted.

Examples:
  $ cache-ops migrate apply 20240607-101500-tasks-1f2e3d
  $ cache-ops migrate apply 20240607-101500-tasks-1f2e3d --resume --rate 5000`,
    )
    .action((id: string, flags: Flags) => apply(context, id, flags));
}

const counts = z.object(
  Object.fromEntries(OUTCOMES.map((name) => [name, z.number()])) as Record<
    Outcome,
    z.ZodMiniNumber
  >,
);

/** How an apply went: the last line of NDJSON. */
export const applyResult = z.object({
  plan: z.string(),
  kind: z.string(),
  target: z.string(),
  state: z.enum(['applied', 'open']),
  total: z.number(),
  counts,
  /** Keys that this run has written; `counts` are of all runs of the plan. */
  written: z.number(),
  /** Of those created or replaced: written by a run that was killed before it could say so. */
  in_doubt: z.number(),
  /** Entries that the plan could not take. */
  bad: z.number(),
  took_ms: z.number(),
  resume: z.nullable(z.string()),
});
export type ApplyResult = z.infer<typeof applyResult>;

const ON_TERMINAL = 20;
const IN_PIPE = 1_000;

export interface Left {
  key: string;
  outcome: Outcome;
  detail: string;
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
  const report = await reporter(context, plan, how);
  try {
    await atTarget(context, target, async (at) => {
      const share = journal.position / Math.max(plan.records, 1);
      const wanted = guardMemory(plan, at.state, Math.max(0, 1 - share), how);
      if (how.dryRun) return report.dry(wanted);
      await consent(context, question(plan), plan.target, how);
      storePlan(state, { ...plan, state: 'applying', ended_at: null });
      // Another process may have lost what the one before had acknowledged: a failover, a restart.
      const same = journal.run === at.state.run_ids;
      const from = how.resume && same && journal.position < plan.records ? journal.position : 0;
      report.start(from);
      const config = await context.config();
      const work = { ...at, folder, journal, from, rate: how.rate, mode: how.onConflict };
      for await (const step of applyPlan({ ...work, shape: shapeFor(config, plan.kind) }))
        await report.step(step);
      if (!context.signal.aborted) await demandSame(context, target, at);
    });
    if (how.dryRun) return;
    const finished = report.position >= plan.records;
    if (finished) {
      const ended_at = new Date(now()).toISOString();
      storePlan(state, { ...plan, state: 'applied', ended_at });
    }
    await report.end(finished ? 'finished' : 'interrupted');
  } catch (error) {
    if (!report.begun) throw error;
    await report.end('failed');
    throw resumable(error, plan);
  }
}

function startAnew(folder: string): void {
  for (const name of ['journal.ndjson', 'outcomes.bin', 'undo.ndjson', 'rollback.ndjson'])
    rmSync(join(folder, name), { force: true });
}

function guardMemory(
  plan: Plan,
  state: TargetState,
  share: number,
  { allowMemory, dryRun }: How,
): number | null {
  const ratio = shareWith(state, plan.bytes.memory * share);
  if (ratio === null || ratio <= FULLEST || allowMemory || dryRun) return ratio;
  throw new CacheOpsError(
    'refused',
    `${plan.target} would be ${percentText(ratio)} full, and 80 % is the most`,
    'make room, or raise maxmemory; --allow-memory writes all the same',
  );
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

const resumeOf = ({ id }: Plan) => `cache-ops migrate apply ${id} --resume`;

async function reporter(context: Context, plan: Plan, how: How) {
  const { settings, now, stdout, state } = context;
  const folder = planFolder(state, plan.id);
  const progress = await startProgress(context, 'Connecting');
  const began = now();
  const most = stdout.isTTY ? ON_TERMINAL : IN_PIPE;
  const left: Left[] = [];
  const sums = { written: 0, in_doubt: 0 };
  let from = 0;
  const note = (step: Step) => {
    for (let index = 0; index < step.outcomes.length; index += 1) {
      const outcome = OUTCOMES[step.outcomes[index] as number] as Outcome;
      if (outcome === 'created' || outcome === 'equal' || outcome === 'duplicate') continue;
      const line = {
        key: step.chunk.key(index),
        place: step.chunk.place(index),
        outcome,
        detail: MEANINGS[outcome],
      };
      if (left.length < most) left.push(line);
      if (settings.json) {
        const { key, ...rest } = line;
        emitLine(context, { type: 'item', ...named('key', key), ...rest });
      }
    }
  };
  const reporting = {
    begun: false,
    position: 0,
    start(position: number) {
      from = position;
      reporting.position = position;
      reporting.begun = true;
    },
    async step(step: Step): Promise<void> {
      sums.in_doubt += step.in_doubt;
      sums.written += step.written;
      reporting.position = step.position;
      const rate = ((step.position - from) / Math.max(now() - began, 1)) * 1_000;
      const left_ms = Math.round(((plan.records - step.position) / rate) * 1_000);
      note(step);
      if (settings.json) {
        const figures = { total: plan.records, rate: Math.round(rate), left_ms };
        emitLine(context, { type: 'progress', position: step.position, ...figures });
        await stdout.drained?.();
      }
      progress.say(
        `${countText(step.position)} of ${countText(plan.records)} entries, ${countText(Math.round(rate))} a second, ${age(left_ms / 1_000)} left`,
      );
    },
    /** What a dry run says. */
    async dry(ratio: number | null): Promise<void> {
      progress.stop();
      const result = { ...resultOf(plan, folder, sums, now() - began, true), dry_run: true, ratio };
      if (settings.json) emitLine(context, { type: 'summary', ...result });
      else
        say(
          context,
          `Would write ${countText(plan.absent)} new keys to ${plan.target} and look at ${countText(plan.differs)} that differ (${how.onConflict}). Nothing was changed.`,
        );
    },
    async end(ended: 'finished' | 'interrupted' | 'failed'): Promise<void> {
      progress.stop();
      const open = ended !== 'finished';
      const result = resultOf(plan, folder, sums, now() - began, open);
      if (settings.json) {
        emitLine(context, { type: 'summary', ...result });
        // Whoever closed stdout has not read the summary.
        if (ended === 'interrupted')
          say(context, `stopped after ${reporting.position} entries; go on with: ${result.resume}`);
      } else await emit(context, { result, left }, renderApply);
      writeAudit(context, plan, result, ended);
      const undone = UNDONE.some((name) => result.counts[name] > 0);
      if (!open && (undone || plan.bad > 0)) context.exitCode = ExitCode.partial;
    },
  };
  return reporting;
}

function resultOf(
  plan: Plan,
  folder: string,
  sums: { written: number; in_doubt: number },
  took_ms: number,
  open: boolean,
): ApplyResult {
  return applyResult.parse({
    plan: plan.id,
    kind: plan.kind,
    target: plan.target,
    state: open ? 'open' : 'applied',
    total: plan.records,
    counts: outcomesOf(folder, plan.records),
    ...sums,
    bad: plan.bad,
    took_ms,
    resume: open ? resumeOf(plan) : null,
  });
}

/** By what is on disk: of every run of a plan. */
export function outcomesOf(folder: string, entries: number): OutcomeCounts {
  const file = new EntryBytes(join(folder, 'outcomes.bin'));
  const counts = noOutcomes();
  try {
    for (let first = 0; first < entries; first += 65_536)
      countOutcomes(file.read(first, Math.min(65_536, entries - first)), counts);
  } finally {
    file.close();
  }
  return counts;
}

function writeAudit(context: Context, plan: Plan, result: ApplyResult, ended: string): void {
  audit(context, {
    action: 'migrate apply',
    target: plan.target,
    result: ended,
    detail: { plan: plan.id, kind: plan.kind, total: result.total, ...result.counts },
  });
}
