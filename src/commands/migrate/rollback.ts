import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { named } from '../../keys/names.js';
import {
  claimPlan,
  findPlan,
  type Plan,
  planFolder,
  storePlan,
} from '../../migration/plan/store.js';
import { ROLLED, type Rolled, rollBack } from '../../migration/rollback/rollback.js';
import type { Block, Cell } from '../../output/blocks.js';
import { emit, emitLine, say } from '../../output/emit.js';
import { count, ms } from '../../output/format.js';
import { startProgress } from '../../output/progress.js';
import { type Consent, consent } from '../../prompt.js';
import { openLines } from '../../state/lines.js';
import { countText } from '../../words.js';
import { audited } from '../audited.js';
import { outcomesOf } from './apply-report.js';
import { rollbackOfJobs } from './jobs.js';
import { atTarget, self, targetOf } from './place.js';
import { isToFile, removeFile } from './to-file.js';

interface Flags extends Consent {
  dryRun?: boolean;
  to?: string;
}

export function registerRollback(topic: Command, context: Context): void {
  topic
    .command('rollback')
    .description('take back what apply wrote, except what was changed since')
    .argument('<plan>', 'as plan or list names it')
    .option('--dry-run', 'say what would be taken back, and change nothing')
    .option('--to <target>', 'the Redis again, where the plan has it by its URL')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the name of the Redis, for production')
    .addHelpText(
      'after',
      `
A key that apply created is removed, one that it replaced gets back its earlier value and expiry:
only where the value and the moment of expiry are still what apply wrote. Everything else stays as
it is and is listed. After an interruption the same command goes on.

Exit codes: 0 all was taken back; 4 some keys had been changed since and were left, they are listed.

Examples:
  $ cache-ops migrate rollback 20240607-101500-tasks-1f2e3d --dry-run
  $ cache-ops migrate rollback 20240607-101500-tasks-1f2e3d`,
    )
    .action((id: string, flags: Flags) => rollback(context, id, flags));
}

const rollbackResult = z.object({
  plan: z.string(),
  target: z.string(),
  state: z.enum(['rolled back', 'open']),
  counts: z.object(
    Object.fromEntries(ROLLED.map((name) => [name, z.number()])) as Record<Rolled, z.ZodMiniNumber>,
  ),
  took_ms: z.number(),
  /** Every key that was left is a line of this file. */
  left_file: z.nullable(z.string()),
});
type RollbackResult = z.infer<typeof rollbackResult>;

const MEANINGS: Readonly<Record<Rolled, string>> = {
  changed: 'changed since it was written: left as it is',
  removed: 'was not there before the plan, and is not now',
  restored: 'has its earlier value and expiry again',
  gone: 'was not there any more',
  hidden: 'the ACL of this user does not allow it',
};

interface Left {
  key: string;
  place: number;
  rolled: Rolled;
}

async function rollback(context: Context, id: string, flags: Flags): Promise<void> {
  const { state, now, settings, stdout } = context;
  findPlan(state, id);
  const lock = claimPlan(state, id, self(context));
  const began = now();
  const progress = await startProgress(context, 'Taking back');
  try {
    const plan = findPlan(state, id);
    if (plan.kind === 'jobs') {
      progress.stop();
      return await rollbackOfJobs(context, id, flags);
    }
    if (isToFile(plan)) {
      progress.stop();
      return await removeFile(context, plan, flags);
    }
    const target = await targetOf(context, plan, flags.to);
    const folder = planFolder(state, id);
    const before = outcomesOf(folder, plan.records);
    const written = before.created + before.replaced;
    if (written === 0 || plan.state === 'rolled back')
      throw new CacheOpsError('not_found', `${id} has written nothing that could be taken back`);
    const words = `${countText(before.created)} created and ${countText(before.replaced)} replaced keys of ${plan.target}`;
    if (flags.dryRun) {
      progress.stop();
      if (settings.json) emitLine(context, { type: 'summary', dry_run: true, ...before });
      else
        say(context, `Would take back ${words}, less what was changed since. Nothing was changed.`);
      return;
    }
    progress.stop();
    await consent(context, `Take back ${words} in ${plan.environment}?`, plan.target, flags);
    storePlan(state, { ...plan, state: 'rolling back' });
    const counts = Object.fromEntries(ROLLED.map((name) => [name, 0])) as Record<Rolled, number>;
    const shown: Left[] = [];
    const most = stdout.isTTY ? 20 : 1_000;
    const file = openLines(state.path('migrate', id, 'left.ndjson'));
    try {
      await atTarget(context, target, async (at) => {
        for await (const step of rollBack({ ...at, folder })) {
          for (const [rolled, some] of step.counts) counts[rolled] += some;
          for (const { key, ...rest } of step.left) {
            const line = { ...named('key', key), ...rest };
            file.write([line]);
            if (shown.length < most) shown.push({ key: line.key ?? '', ...rest });
            if (settings.json) emitLine(context, { type: 'item', ...line });
          }
          progress.say(`${countText(step.position)} of ${countText(plan.entries)} entries`);
        }
      });
      await file.sync();
    } finally {
      file.close();
    }
    const open = context.signal.aborted;
    if (!open) storePlan(state, { ...plan, state: 'rolled back' });
    const left = counts.changed + counts.hidden;
    const result = rollbackResult.parse({
      plan: id,
      target: plan.target,
      state: open ? 'open' : 'rolled back',
      counts,
      took_ms: now() - began,
      left_file: left > 0 ? state.path('migrate', id, 'left.ndjson') : null,
    });
    if (settings.json) emitLine(context, { type: 'summary', ...result });
    else await emit(context, { result, shown }, renderRollback);
    writeAudit(context, plan, result);
    if (!open && left > 0) context.exitCode = ExitCode.partial;
  } finally {
    progress.stop();
    lock.release();
  }
}

function writeAudit(context: Context, plan: Plan, { counts, state }: RollbackResult): void {
  const detail = { plan: plan.id, kind: plan.kind, ...counts };
  audited(context, { action: 'migrate rollback', target: plan.target, result: state, detail });
}

function renderRollback({ result, shown }: { result: RollbackResult; shown: Left[] }): Block[] {
  const { counts, took_ms, target, left_file } = result;
  const rows = shown.map(({ key, rolled }): Cell[] => [key, rolled, MEANINGS[rolled]]);
  const taken = counts.removed + counts.restored;
  return [
    ...(rows.length > 0
      ? [
          {
            title: 'Left as they are',
            table: { columns: ['key', 'why', 'meaning'], rows, optional: ['meaning'] },
          },
        ]
      : []),
    ...(left_file ? [{ note: `Each of those that were left: ${left_file}` }] : []),
    {
      note: `${count(counts.removed).text} keys of ${target} were removed and ${count(counts.restored).text} restored; ${count(counts.changed).text} had been changed since and ${count(counts.gone).text} were gone. ${ms(took_ms).text}.`,
      tone: counts.changed + counts.hidden > 0 ? 'warn' : 'ok',
    },
    ...(result.state === 'open'
      ? [
          {
            note: `Interrupted after ${count(taken).text}. To go on: cache-ops migrate rollback ${result.plan}`,
            tone: 'warn' as const,
          },
        ]
      : []),
  ];
}
