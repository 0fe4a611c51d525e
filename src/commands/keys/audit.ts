import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { type Audited, auditKeys, FINDINGS } from '../../keys/audit.js';
import type { Masters } from '../../keys/masters.js';
import { fromBytes, named } from '../../keys/names.js';
import { findQueueKeys } from '../../keys/queue-keys.js';
import { rulesOf } from '../../keys/rules.js';
import { emit } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { countText } from '../../words.js';
import { addChangeFlags, type ChangeFlags, changeOrPreview, refuseWords } from './change.js';
import { resumeChange } from './change-run.js';
import { fixTtl } from './fix-ttl.js';
import { queuePrefixes } from './queue-prefixes.js';
import { renderAudit } from './render-audit.js';
import { atTarget, keyName, oneTarget, place, targetsOf, whereOf } from './targets.js';

interface Flags extends ChangeFlags {
  examples?: string;
  db?: string;
  fixTtl?: boolean;
}

export function registerAudit(topic: Command, context: Context): void {
  const command = topic
    .command('audit')
    .description('keys that break the rules of naming and TTL; exit 3 when there are any')
    .argument('[target]', 'a Redis of the configuration (default: all of them)')
    .option('--db <n>', "another database than the configuration's")
    .option('--examples <n>', 'so many of each finding', '5')
    .option('--fix-ttl', 'give keys without a TTL the one of their rule');
  addChangeFlags(command, 'with --fix-ttl')
    .addHelpText(
      'after',
      `
Every key is held against the rules under "keys:" of the configuration; without rules, against those
of the estate's own (tasks 24h, chat sessions 2h and 40 messages, cached results of the LLM 1h), and
it says so. A rule: { match: "{prefix}:{env}:task:{user}:{task}", ttl: 24h, max_ttl: 48h,
max_size: 10kb, max_messages: 40, type: list, ttl_required: false }. {prefix} and {env} stand for the
configuration's, any other placeholder for one part between colons, {name*} for all that is left.

Findings: missing_user, foreign_environment, foreign_prefix (it would fit a rule but for that),
no_rule, no_ttl, ttl_above, too_many_messages, too_large, wrong_type. Keys of BullMQ queues are
counted apart. Auditing only reads; sizes are MEMORY USAGE, an estimate by samples, but
too_large is judged of a string's own length.

--fix-ttl sets the ttl of a key's rule where the key has none and its name is as the rule wants it.
A TTL that is there, or that somebody sets meanwhile, is never changed: server and key are asked in
one step (PEXPIRE NX, before Redis 7 a script).

Examples:
  $ cache-ops keys audit
  $ cache-ops keys audit main --json | jq '.targets[].findings[] | {kind, rule, keys}'
  $ cache-ops keys audit main --fix-ttl --dry-run
  $ cache-ops keys audit main --fix-ttl --rate 1000 --confirm main    in production`,
    )
    .action((target: string | undefined, flags: Flags) => run(context, target, flags));
}

async function run(context: Context, name: string | undefined, flags: Flags): Promise<void> {
  if (!flags.fixTtl) {
    const [odd] = ['dryRun', 'rate', 'resume', 'yes', 'confirm'].filter((flag) => flag in flags);
    if (odd !== undefined)
      throw new CacheOpsError('usage', 'auditing changes nothing: that flag is for --fix-ttl');
    return audit(context, name, flags);
  }
  if (flags.resume !== undefined) {
    refuseWords('keys audit --fix-ttl', flags.db === undefined ? [] : [flags.db], flags);
    return resumeChange(context, 'fix-ttl', flags, name);
  }
  const config = await context.config();
  const target = oneTarget(config, name, 'keys audit <target> --fix-ttl');
  await changeOrPreview(context, fixTtl(config, target, whereOf(flags)), flags);
}

const nullableBytes = z.nullable(z.number());

const auditResult = z.object({
  rules: z.object({
    /** The configuration has none: these are the estate's own. */
    built_in: z.boolean(),
    prefix: z.string(),
    environment: z.string(),
    match: z.array(z.string()),
  }),
  targets: z.array(
    z.extend(place, {
      keys: z.number(),
      violating: z.number(),
      findings: z.array(
        z.object({
          kind: z.enum(FINDINGS),
          /** Null for keys that fit no rule. */
          rule: z.nullable(z.string()),
          keys: z.number(),
          bytes: nullableBytes,
          examples: z.array(z.extend(keyName, { detail: z.nullable(z.string()) })),
        }),
      ),
      /** What the keys that fit no rule look like. */
      no_rule: z.array(
        z.object({
          pattern: z.string(),
          keys: z.number(),
          bytes: nullableBytes,
          example: z.string(),
        }),
      ),
      /** Keys of BullMQ queues, which are no violation. */
      queues: z.array(z.object({ queue: z.string(), keys: z.number(), bytes: nullableBytes })),
      looked_at: z.nullable(z.number()),
      /** False when it was interrupted. */
      complete: z.boolean(),
      unreadable: z.number(),
      vanished: z.number(),
      /** Sessions whose messages could not be counted. */
      uncounted: z.number(),
      no_sizes: z.boolean(),
      slots_moved: z.boolean(),
    }),
  ),
});
export type AuditResult = z.infer<typeof auditResult>;

async function audit(context: Context, name: string | undefined, flags: Flags): Promise<void> {
  const config = await context.config();
  const examples = parseCount(flags.examples ?? '5', '--examples', 0);
  const rules = rulesOf(config);
  const targets: AuditResult['targets'] = [];
  const progress = await startProgress(context, 'Looking at keys');
  const began = context.now();
  const onProgress = (keys: number) => {
    const rate = Math.round((keys / Math.max(context.now() - began, 1)) * 1_000);
    progress.say(`${countText(keys)} keys, ${countText(rate)} a second`);
  };
  try {
    for (const target of targetsOf(config, name === undefined ? {} : { target: name })) {
      await atTarget(context, target, whereOf(flags), async (masters) => {
        const { signal } = context;
        const queues = await findQueueKeys(masters, queuePrefixes(config, target), signal);
        const found = await auditKeys(masters, { rules, queues, signal, examples, onProgress });
        targets.push(toResult(masters, found));
      });
    }
  } finally {
    progress.stop();
  }
  const result = auditResult.parse({
    rules: {
      built_in: rules.built_in,
      prefix: config.keys.prefix,
      environment: config.keys.environment ?? config.environment,
      match: rules.list.map(({ match }) => match),
    },
    targets,
  });
  await emit(context, result, (shown) => renderAudit(shown, context.stdout.isTTY));
  if (targets.some(({ violating }) => violating > 0)) context.exitCode = ExitCode.bad;
  else if (targets.some((seen) => seen.unreadable > 0 || seen.slots_moved))
    context.exitCode = ExitCode.partial;
}

function toResult({ target, db }: Masters, found: Audited): AuditResult['targets'][number] {
  const { judged, queues, findings, shapes, ...rest } = found;
  return {
    target,
    db,
    keys: judged,
    ...rest,
    findings: findings.map((finding) => ({
      ...finding,
      examples: finding.examples.map(({ key, detail }) => ({ ...named('key', key), detail })),
    })),
    queues: queues.map(({ queue, ...sums }) => ({ queue: fromBytes(queue).text, ...sums })),
    no_rule: shapes
      .slice(0, SHAPES)
      .map(({ example, ...shape }) => ({ ...shape, example: fromBytes(example).text })),
  };
}

const SHAPES = 20;
