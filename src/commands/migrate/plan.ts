import type { Command } from 'commander';
import { Option } from 'commander';
import * as z from 'zod/mini';
import { size } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { toBytes } from '../../keys/names.js';
import { applicationPrefix } from '../../keys/prefix.js';
import { type Bad, PROBLEMS } from '../../migration/entry.js';
import { CHATS, KINDS, LARGEST_VALUE } from '../../migration/kinds.js';
import { makePlan } from '../../migration/plan/make.js';
import {
  claimPlan,
  forgetPlan,
  newPlanId,
  type Plan,
  planFolder,
  planSchema,
  prunePlans,
  storePlan,
} from '../../migration/plan/store.js';
import { shareWith } from '../../migration/target/state.js';
import { emit, emitLine } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { describe } from '../../redis/target.js';
import { countText } from '../../words.js';
import { planOfJobs } from './jobs.js';
import { isTooFull } from './memory.js';
import { type AtTarget, atTarget, self, shapeFor, targetNamed } from './place.js';
import { renderPlan } from './render-plan.js';
import { sourceNamed } from './sources.js';
import { fileNamed } from './to-file.js';

interface Flags {
  from: string;
  to: string;
  kind: Plan['kind'];
  chat?: (typeof CHATS)[number];
  format?: 'ndjson' | 'json';
  maxValue?: string;
  fromPrefix?: string;
  includeRunning?: boolean;
}

export function registerPlan(topic: Command, context: Context): void {
  topic
    .command('plan')
    .description('read and check the source, say what would be written, and store that as a plan')
    .requiredOption('--from <source>', 'a file, - for stdin, app:NAME, redis:NAME or postgres:NAME')
    .requiredOption('--to <target>', 'redis:NAME; FILE.ndjson, back again; postgres:NAME for jobs')
    .addOption(new Option('--kind <kind>', 'what it is').choices(KINDS).default('tasks'))
    .addOption(
      new Option('--chat <chat>', 'of sessions that do not say which they are').choices(CHATS),
    )
    .addOption(
      new Option('--format <format>', 'of a file whose name does not say').choices([
        'ndjson',
        'json',
      ]),
    )
    .option(
      '--from-prefix <text>',
      "what the source's keys begin with (default: the target's: app:production:)",
    )
    .option('--include-running', 'of jobs: those too that a worker has, marked in their data')
    .option('--max-value <size>', 'the largest value (default: 4mb)')
    .addHelpText(
      'after',
      `
Writes to the target nothing. Every entry that cannot be moved is listed with its place and the
reason; the others are in the plan, with a checksum each. Memory does not grow with the source.

Sources: a file of JSON lines, or of JSON (a list, a dictionary by task or by user and task), or stdin;
app:NAME, a route of an application as migration.sources in the configuration has it; redis:NAME,
another Redis; postgres:NAME or postgres:NAME/schema.table, the table app_cache.

--kind keys moves the keys of another Redis whatever their type is (strings, hashes, lists, sets, sorted
sets, streams), by DUMP and RESTORE: --from-prefix says which, and behind it their names stay as they are.
A dump has no time of its last change: where the target has other content under that name, apply leaves
it and lists it, unless --on-conflict overwrite is given.

Where a Redis would be more than 80 % full, apply refuses it; Postgres has no limit to compare jobs with.

Exit codes: 0 all entries can be moved; 4 some cannot, they are listed; 5 cannot connect.

Examples:
  $ cache-ops migrate plan --from tasks.ndjson --to redis:main
  $ cache-ops migrate plan --from chats.json --to redis:main --kind sessions --chat generate
  $ cache-ops migrate plan --from app:backend --to redis:main
  $ cache-ops migrate plan --from redis:old --from-prefix app:staging: --to redis:main
  $ cache-ops migrate plan --from redis:old --from-prefix app:production: --to redis:main --kind keys
  $ cache-ops migrate plan --from redis:main --to back.ndjson
  $ cache-ops migrate plan --from jobs.json --to postgres:main --kind jobs --include-running
  $ dump-tasks | cache-ops migrate plan --from - --to redis:main --json`,
    )
    .action((flags: Flags) => plan(context, flags));
}

/** What a plan came to: the last line of NDJSON. */
export const planResult = z.extend(planSchema, {
  /** Entries that cannot be moved, by problem. */
  problems: z.partialRecord(z.enum(PROBLEMS), z.number()),
  /** Every one of them is a line of this file. */
  problems_file: z.nullable(z.string()),
  /** Would the target be too full? It is refused then, unless --allow-memory is given. */
  too_full: z.boolean(),
  took_ms: z.number(),
});
export type PlanResult = z.infer<typeof planResult>;

/** So many entries that cannot be moved are shown; the file has all, and --json too. */
const ON_TERMINAL = 20;
const IN_PIPE = 1_000;

async function plan(context: Context, flags: Flags): Promise<void> {
  const { state, now, settings, stdout } = context;
  const config = await context.config();
  const began = now();
  const { kind } = flags;
  const largest = sizeOf(flags.maxValue);
  if (kind === 'jobs') return planOfJobs(context, flags, largest);
  const shape = shapeFor(config, kind);
  const prefix = applicationPrefix(config);
  const options = {
    kind,
    shape,
    largest,
    format: flags.format,
    prefix: flags.fromPrefix ?? prefix,
  };
  const { source, given } = await sourceNamed(context, config, flags.from, options);
  const path = fileNamed(context, flags.to);
  if (kind === 'keys' && path !== undefined)
    throw new CacheOpsError('usage', 'dumps of keys go to a Redis only, not to a file');
  const target = path === undefined ? targetNamed(config, flags.to) : undefined;
  prunePlans(state, began);
  const id = newPlanId(kind, began);
  const folder = planFolder(state, id);
  const lock = claimPlan(state, id, self(context));
  const progress = await startProgress(context, 'Reading the source');
  const shown: Bad[] = [];
  const problems: PlanResult['problems'] = {};
  const most = stdout.isTTY ? ON_TERMINAL : IN_PIPE;
  let stored = false;
  try {
    const work = async (reached: AtTarget | undefined) => {
      const at = reached?.state;
      const made = await makePlan({
        folder,
        source,
        masters: reached?.masters,
        limits: reached?.limits ?? { timeout: settings.timeout, signal: context.signal },
        ahead_ms: at?.ahead_ms ?? 0,
        rules: {
          ...{ kind, shape, prefix: toBytes(prefix), chat: flags.chat, largest, now: began },
          plain: kind === 'tasks' && config.migration.tasks === undefined,
        },
        onBad(bad) {
          problems[bad.problem] = (problems[bad.problem] ?? 0) + 1;
          if (shown.length < most) shown.push(bad);
          if (settings.json) emitLine(context, { type: 'item', ...bad });
        },
        onProgress(entries) {
          progress.say(`Reading the source: ${countText(entries)} entries so far`);
        },
      });
      const ratio_after = at ? shareWith(at, made.bytes.memory) : null;
      const record: Plan = planSchema.parse({
        ...made,
        id,
        kind,
        source: {
          given,
          prefix: options.prefix,
          description: source.description,
          unit: source.unit,
          again: source.again,
          fingerprint: source.fingerprint?.() ?? null,
        },
        target: target?.name ?? 'file',
        address: target ? describe(target) : path,
        db: reached?.masters.db ?? 0,
        environment: config.environment,
        prefix,
        chat: flags.chat ?? null,
        largest_value: largest,
        made_at: new Date(began).toISOString(),
        memory: {
          used_bytes: at?.used_bytes ?? null,
          limit_bytes: at?.limit_bytes ?? null,
          ratio_after,
        },
        state: 'planned',
        ended_at: null,
      });
      storePlan(state, record);
      stored = true;
      return planResult.parse({
        ...record,
        problems,
        problems_file: record.bad > 0 ? state.path('migrate', id, 'bad.ndjson') : null,
        too_full: isTooFull(record),
        took_ms: now() - began,
      });
    };
    const result = target ? await atTarget(context, target, work) : await work(undefined);
    progress.stop();
    if (settings.json) emitLine(context, { type: 'summary', ...result });
    else await emit(context, { plan: result, shown }, renderPlan);
    if (result.bad > 0) context.exitCode = ExitCode.partial;
  } finally {
    progress.stop();
    lock.release();
    if (!stored) forgetPlan(state, id);
  }
}

function sizeOf(text: string | undefined): number {
  if (text === undefined) return LARGEST_VALUE;
  const bytes = size(text);
  // Redis itself takes no more in one string.
  if (bytes !== undefined && bytes > 0 && bytes <= 512 * 1024 ** 2) return bytes;
  throw new CacheOpsError('usage', `--max-value: "${text}" is not a size of at most 512mb`);
}
