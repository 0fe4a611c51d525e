import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseDuration } from '../config/units.js';
import type { Context } from '../context.js';
import { CacheOpsError, ExitCode } from '../errors.js';
import { toBytes } from '../keys/names.js';
import { applicationPrefix } from '../keys/prefix.js';
import { clearExecution, type ExecutionFacts, listExecutions } from '../locks/executions.js';
import type { Block } from '../output/blocks.js';
import { emit } from '../output/emit.js';
import { ms, status } from '../output/format.js';
import { type Consent, consent } from '../prompt.js';
import { audited } from './audited.js';
import {
  addTarget,
  atTarget,
  fromTargets,
  oneTarget,
  type TargetFlags,
  whereOf,
} from './keys/targets.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
Executions are the records under {prefix}:{env}:execution: of work that must be done once.
"orphaned" is one that is executing by its record while nobody holds its lock: its process died.

Examples:
  $ cache-ops execution ls
  $ cache-ops execution show review-42
  $ cache-ops execution clear --dry-run           orphaned ones, and those that ended an hour ago`,
  );
  registerLs(command, context);
  registerShow(command, context);
  registerClear(command, context);
}

const STATES = ['executing', 'orphaned', 'completed', 'failed', 'unknown'] as const;

const executionLine = z.object({
  target: z.string(),
  id: z.string(),
  state: z.enum(STATES),
  owner: z.nullable(z.string()),
  fence: z.nullable(z.number()),
  /** Per cent. */
  progress: z.nullable(z.number()),
  message: z.nullable(z.string()),
  error: z.nullable(z.string()),
  started_at: z.nullable(z.string()),
  ended_at: z.nullable(z.string()),
  ttl_ms: z.nullable(z.number()),
});
const executionList = z.object({ executions: z.array(executionLine) });
type ExecutionList = z.infer<typeof executionList>;

function registerLs(topic: Command, context: Context): void {
  const command = topic.command('ls').description('every execution that is known');
  addTarget(command).action(async (flags: TargetFlags) => {
    const executions = await findAll(context, flags);
    await emit(context, executionList.parse({ executions }), render);
  });
}

function registerShow(topic: Command, context: Context): void {
  const command = topic.command('show').description('one execution').argument('<id>');
  addTarget(command).action(async (id: string, flags: TargetFlags) => {
    const executions = (await findAll(context, flags)).filter((one) => one.id === id);
    if (executions.length === 0)
      throw new CacheOpsError('not_found', `no execution is known as "${id}"`);
    await emit(context, executionList.parse({ executions }), render);
  });
}

interface ClearFlags extends TargetFlags, Consent {
  dryRun?: boolean;
  olderThan: string;
}

const clearResult = z.object({
  target: z.string(),
  dry_run: z.boolean(),
  executions: z.array(
    z.object({
      id: z.string(),
      state: z.enum(STATES),
      result: z.enum(['cleared', 'gone', 'changed', 'locked', 'would be cleared']),
    }),
  ),
});
type ClearResult = z.infer<typeof clearResult>;

function registerClear(topic: Command, context: Context): void {
  const command = topic
    .command('clear')
    .description('removes records of processes that died, and those that ended long ago');
  addTarget(command)
    .option('--older-than <duration>', 'of those that ended', '1h')
    .option('--dry-run', 'say which would be removed, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the name of the Redis, for production')
    .addHelpText(
      'after',
      `
Each is looked at once more in the step that removes it: one that has begun anew, or whose lock
somebody has taken, is left alone (exit 4). Within 5 minutes of its completion a record keeps the
work from being done twice: --older-than is not less than that.`,
    )
    .action(async (flags: ClearFlags) => {
      const result = await clear(context, flags);
      await emit(context, result, renderClear);
      const left = ['changed', 'locked'];
      if (result.executions.some((one) => left.includes(one.result)))
        context.exitCode = ExitCode.partial;
    });
}

/** What a completed one is not done again within. */
const WINDOW = 300_000;

async function clear(context: Context, flags: ClearFlags): Promise<ClearResult> {
  const age = parseDuration(flags.olderThan, '--older-than');
  if (age < WINDOW)
    throw new CacheOpsError('usage', '--older-than: at least 5m', 'a younger record is in use');
  const config = await context.config();
  const target = oneTarget(config, flags.target, '--target');
  const prefix = toBytes(applicationPrefix(config));
  return atTarget(context, target, whereOf(flags), async (masters) => {
    const all = await listExecutions(masters, prefix, context.signal);
    const chosen = all.filter((one) => isDone(one, context.now() - age));
    const base = { target: target.name, dry_run: flags.dryRun === true };
    const would = chosen.map(({ id, state }) => ({
      id,
      state,
      result: 'would be cleared' as const,
    }));
    if (flags.dryRun || chosen.length === 0)
      return clearResult.parse({ ...base, executions: would });
    const asked = `Remove the records of ${chosen.length} executions from ${target.name}?`;
    await consent(context, asked, target.name, flags);
    const executions: ClearResult['executions'] = [];
    for (const one of chosen) {
      context.signal.throwIfAborted();
      const result = await clearExecution(masters, prefix, one);
      executions.push({ id: one.id, state: one.state, result });
    }
    const cleared = executions.filter(({ result }) => result === 'cleared').length;
    audited(context, {
      action: 'execution clear',
      target: target.name,
      result: `${cleared} cleared`,
    });
    return clearResult.parse({ ...base, executions });
  });
}

function isDone({ state, ended_at }: ExecutionFacts, before: number): boolean {
  if (state === 'orphaned') return true;
  return ended_at !== null && Date.parse(ended_at) < before;
}

const findAll = (context: Context, flags: TargetFlags) =>
  fromTargets(context, flags, (masters, prefix) => listExecutions(masters, prefix, context.signal));

const TONE = {
  executing: 'ok',
  completed: 'ok',
  orphaned: 'critical',
  failed: 'warn',
  unknown: 'unknown',
} as const;

function render({ executions }: ExecutionList): Block[] {
  const orphaned = executions.filter(({ state }) => state === 'orphaned').length;
  return [
    {
      table: {
        columns: [
          ...['target', 'id', 'state', 'progress', 'owner', 'fence'],
          ...['started', 'ended', 'expires in', 'message', 'error'],
        ],
        optional: ['target', 'fence', 'ended', 'message', 'started', 'expires in'],
        rows: executions.map((one) => [
          one.target,
          one.id,
          status(one.state, TONE[one.state]),
          one.progress === null ? null : { value: one.progress, text: `${one.progress} %` },
          one.owner,
          one.fence,
          one.started_at,
          one.ended_at,
          ms(one.ttl_ms),
          one.message,
          one.error,
        ]),
      },
    },
    ...(orphaned > 0
      ? [
          {
            note: `${orphaned} of a process that died: cache-ops execution clear, or the next start takes over.`,
            tone: 'warn' as const,
          },
        ]
      : []),
  ];
}

function renderClear({ executions, target, dry_run }: ClearResult): Block[] {
  return [
    {
      table: {
        columns: ['target', 'id', 'state', 'result'],
        rows: executions.map(({ id, state, result }) => [target, id, state, result]),
      },
    },
    { note: `${executions.length} records${dry_run ? '; nothing was changed' : ''}` },
  ];
}
