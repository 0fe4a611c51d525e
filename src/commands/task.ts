import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../config/units.js';
import type { Context } from '../context.js';
import { CacheOpsError, ExitCode } from '../errors.js';
import { emit } from '../output/emit.js';
import { openPostgres, type Query, readPostgres } from '../postgres/client.js';
import { explainPostgres } from '../postgres/explain.js';
import { type PostgresTarget, postgresTargets } from '../postgres/target.js';
import { type Consent, consent } from '../prompt.js';
import { haveTasks, listTasks, putBack, readTask } from '../tasks/read.js';
import { audited } from './audited.js';
import { renderList, renderRetry, renderTask } from './task/render.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
Split tasks are the rows of asl_schema.asl_screening_tasks; each batch has a place, a lease and
the checkpoint that it goes on from.

Examples:
  $ cache-ops task ls --status processing        how far, how fast, when they end
  $ cache-ops task show 6f1c...                   its batches: who works on them, which stand still
  $ cache-ops task retry 6f1c... --dry-run        its failed batches, from their checkpoints`,
  );
  const ls = command.command('ls').description('split tasks, the newest first');
  addTarget(ls)
    .option('--status <status>', 'pending, processing, completed, failed or cancelled')
    .option('--limit <n>', 'so many at most', '50')
    .action(async (flags: ListFlags) => {
      const result = await list(context, flags);
      await emit(context, result, (shown) => renderList(shown, context.now()));
      if (result.tasks.some(({ stalled_batches }) => stalled_batches > 0))
        context.exitCode = ExitCode.bad;
    });
  const show = command.command('show').description('one task and its batches').argument('<id>');
  addTarget(show).action(async (id: string, flags: TargetFlags) => {
    const result = await showTask(context, id, flags);
    await emit(context, result, (shown) => renderTask(shown, context.now()));
    if (result.task.stalled_batches > 0) context.exitCode = ExitCode.bad;
  });
  const retry = command
    .command('retry')
    .description('puts the failed batches of a task back; what is done stays done')
    .argument('<id>');
  addTarget(retry)
    .option('--dry-run', 'say which batches would be put back, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the name of the Postgres, for production')
    .action(async (id: string, flags: RetryFlags) =>
      emit(context, await retryTask(context, id, flags), renderRetry),
    );
}

interface TargetFlags {
  target?: string;
}
interface ListFlags extends TargetFlags {
  status?: string;
  limit: string;
}
interface RetryFlags extends TargetFlags, Consent {
  dryRun?: boolean;
}

function addTarget(command: Command): Command {
  return command.option(
    '--target <postgres>',
    'a Postgres of the configuration (default: the one with tasks)',
  );
}

const moment = z.nullable(z.string());
const task = z.object({
  id: z.string(),
  user: z.string(),
  kind: z.string(),
  status: z.string(),
  total_items: z.number(),
  processed_items: z.number(),
  success_items: z.number(),
  failed_items: z.number(),
  conflict_items: z.number(),
  batch_size: z.number(),
  total_batches: z.number(),
  processed_batches: z.number(),
  failed_batches: z.number(),
  stalled_batches: z.number(),
  current_batch_index: z.number(),
  current_index: z.number(),
  last_checkpoint: moment,
  created_at: z.string(),
  started_at: moment,
  finished_at: moment,
  /** Items a second. */
  rate: z.nullable(z.number()),
  expected_end: moment,
});
const batch = z.object({
  batch: z.number(),
  state: z.string(),
  items: z.number(),
  current_index: z.number(),
  owner: z.nullable(z.string()),
  attempts: z.number(),
  deaths: z.number(),
  queued: z.boolean(),
  heartbeat_at: moment,
  last_checkpoint: moment,
  stalled: z.boolean(),
  error: z.nullable(z.string()),
});
const listResult = z.object({ target: z.string(), tasks: z.array(task) });
export type TaskList = z.infer<typeof listResult>;
const showResult = z.object({ target: z.string(), task, batches: z.array(batch) });
export type TaskShown = z.infer<typeof showResult>;
const retryResult = z.object({
  target: z.string(),
  task: z.string(),
  dry_run: z.boolean(),
  batches: z.array(z.number()),
});
export type TaskRetried = z.infer<typeof retryResult>;

const STATUSES = ['pending', 'processing', 'completed', 'failed', 'cancelled'];

async function list(context: Context, { status, limit, target }: ListFlags): Promise<TaskList> {
  if (status !== undefined && !STATUSES.includes(status))
    throw new CacheOpsError('usage', `--status: one of ${STATUSES.join(', ')}`);
  const most = parseCount(limit, '--limit');
  return atTasks(context, target, async (query, { name }) => {
    const tasks = await listTasks(query, { status, limit: most });
    return listResult.parse({ target: name, tasks });
  });
}

function showTask(context: Context, id: string, { target }: TargetFlags): Promise<TaskShown> {
  return atTasks(context, target, async (query, { name }) => {
    const found = await readTask(query, id);
    if (!found) throw notFound(id);
    return showResult.parse({ target: name, ...found });
  });
}

async function retryTask(context: Context, id: string, flags: RetryFlags): Promise<TaskRetried> {
  const { target, failed } = await atTasks(context, flags.target, async (query, at) => {
    const found = await readTask(query, id);
    if (!found) throw notFound(id);
    const batches = found.batches.filter(({ state }) => state === 'failed');
    return { target: at, failed: batches.map((one) => one.batch) };
  });
  const base = { target: target.name, task: id };
  if (flags.dryRun || failed.length === 0)
    return retryResult.parse({ ...base, dry_run: flags.dryRun === true, batches: failed });
  await consent(
    context,
    `Put ${failed.length} failed batches of task ${id} back?`,
    target.name,
    flags,
  );
  const session = openPostgres(target, { timeout: context.settings.timeout });
  try {
    const batches = await session.write((query) => putBack(query, id));
    audited(context, {
      action: 'task retry',
      target: `${target.name} ${id}`,
      result: `${batches.length} batches put back`,
    });
    return retryResult.parse({ ...base, dry_run: false, batches });
  } finally {
    await session.close();
  }
}

/** Reads from the named Postgres, or from the first that has split tasks. */
async function atTasks<T>(
  context: Context,
  name: string | undefined,
  work: (query: Query, target: PostgresTarget) => Promise<T>,
): Promise<T> {
  const config = await context.config();
  const targets = postgresTargets(config).filter((one) => name === undefined || one.name === name);
  if (targets.length === 0)
    throw new CacheOpsError(
      name === undefined ? 'config' : 'not_found',
      name === undefined ? 'no Postgres is configured' : `no Postgres is named "${name}"`,
      'set DATABASE_URL, or postgres: in cache-ops.yaml',
    );
  const { timeout } = context.settings;
  for (const target of targets) {
    const limits = { timeout, signal: context.signal };
    const result = await readPostgres(target, limits, async (query) =>
      (await haveTasks(query)) ? { value: await work(query, target) } : undefined,
    ).catch((error: unknown) => {
      context.signal.throwIfAborted();
      if (error instanceof CacheOpsError) throw error;
      throw new CacheOpsError('connect', `${target.name}: ${explainPostgres(error, timeout)}`);
    });
    if (result) return result.value;
  }
  throw new CacheOpsError(
    'not_found',
    `there are no split tasks in ${targets.map((one) => one.name).join(', ')}`,
    'they are in asl_schema.asl_screening_tasks, made with the first task',
  );
}

const notFound = (id: string) =>
  new CacheOpsError('not_found', `no task has the id "${id}"`, 'all of them: cache-ops task ls');
