import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { ExitCode } from '../../errors.js';
import { named, toBytes } from '../../keys/names.js';
import { CHATS } from '../../migration/kinds.js';
import { findPlan, type Plan, planFolder } from '../../migration/plan/store.js';
import { BAD_VERDICTS, VERDICTS, type Verdict } from '../../migration/verify/compare.js';
import { type Verified, verifyPlan } from '../../migration/verify/verify.js';
import { emit, emitLine } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import type { RedisTarget } from '../../redis/target.js';
import { countText } from '../../words.js';
import { verifyOfJobs } from './jobs.js';
import { atTarget, shapeFor, targetOf } from './place.js';
import { renderVerify } from './render-verify.js';
import { sourceNamed } from './sources.js';
import { isToFile, verifyFile } from './to-file.js';

interface Flags {
  watch?: string;
  every: string;
  to?: string;
  from?: string;
}

export function registerVerify(topic: Command, context: Context): void {
  topic
    .command('verify')
    .description('read both sides again and compare every entry')
    .argument('<plan>', 'as plan or list names it')
    .option('--watch <duration>', 'compare again and again until both sides agree for so long')
    .option('--every <duration>', 'with --watch: the pause between two comparisons', '2s')
    .option('--to <target>', 'the Redis again, where the plan has it by its URL')
    .option('--from <source>', 'the source again, where the plan has it by its URL')
    .addHelpText(
      'after',
      `
Reads only. equal: value and expiry as planned; newer: the application has changed it since; missing;
differs, with the fields; ttl_off: it expires more than 2 s sooner or later than planned; expired: its
time has run out; gone: neither side has it any more. Entries that are new in the source since the plan
are compared too and counted as appeared.

Exit codes: 0 both sides agree; 3 they do not: what differs is listed; 5 cannot connect.

Examples:
  $ cache-ops migrate verify 20240607-101500-tasks-1f2e3d
  $ cache-ops migrate verify 20240607-101500-tasks-1f2e3d --watch 30m`,
    )
    .action((id: string, flags: Flags) => verify(context, id, flags));
}

const verifyResult = z.object({
  plan: z.string(),
  kind: z.string(),
  target: z.string(),
  agree: z.boolean(),
  source: z.enum(['unchanged', 'changed', 'read', 'followed', 'unread']),
  counts: z.object(
    Object.fromEntries(VERDICTS.map((name) => [name, z.number()])) as Record<
      Verdict,
      z.ZodMiniNumber
    >,
  ),
  /** Entries of the source that the plan does not know, and those that cannot be moved, by now. */
  appeared: z.number(),
  bad: z.number(),
  took_ms: z.number(),
});
export type VerifyResult = z.infer<typeof verifyResult>;

export interface Shown {
  key: string;
  place: number;
  verdict: Verdict;
  detail: string;
  appeared: boolean;
}

async function verify(context: Context, id: string, flags: Flags): Promise<void> {
  const plan = findPlan(context.state, id);
  if (plan.kind === 'jobs') return verifyOfJobs(context, plan);
  if (isToFile(plan)) return verifyFile(context, plan);
  const target = await targetOf(context, plan, flags.to);
  const round = await comparer(context, plan, target, flags);
  const { result, shown } =
    flags.watch === undefined ? await round() : await watch(context, round, flags);
  if (context.settings.json) emitLine(context, { type: 'summary', ...result });
  else await emit(context, { result, shown }, renderVerify);
  if (!result.agree) context.exitCode = ExitCode.bad;
}

/** One comparison; `follow`: only of what has changed in the source since the one before. */
type Round = (how?: { watching?: boolean; follow?: boolean }) => Promise<Compared>;

interface Compared {
  result: VerifyResult;
  shown: Shown[];
  /** Can the next one follow the changes? */
  followable: boolean;
}

/**
 * Until the two sides have agreed for the given time without a break. Where the source tells its changes
 * only those are compared in between; the first comparison and the last one are of everything.
 */
async function watch(context: Context, round: Round, flags: Flags): Promise<Compared> {
  const { now, settings, signal } = context;
  const span = parseDuration(flags.watch ?? '', '--watch');
  const pause = parseDuration(flags.every, '--every');
  let agreedSince: number | undefined;
  let follow = false;
  for (;;) {
    const began = now();
    const compared = await round({ watching: true, follow });
    const { agree, counts } = compared.result;
    agreedSince = agree ? (agreedSince ?? began) : undefined;
    const agreed_ms = agreedSince === undefined ? 0 : now() - agreedSince;
    if (settings.json) emitLine(context, { type: 'progress', agree, agreed_ms, counts });
    if (agreed_ms >= span && !follow) return compared;
    follow = agree && compared.followable && agreed_ms < span;
    await sleep(Math.min(pause, Math.max(1, span - agreed_ms)), undefined, { signal });
  }
}

const ON_TERMINAL = 20;
const IN_PIPE = 1_000;

async function comparer(
  context: Context,
  plan: Plan,
  target: RedisTarget,
  flags: Flags,
): Promise<Round> {
  const { settings, now, stdout, state } = context;
  const config = await context.config();
  const { kind, largest_value: largest } = plan;
  if (kind === 'jobs') throw new Error('jobs have no keys');
  const shape = shapeFor(config, kind);
  const given = flags.from ?? plan.source.given;
  const { source } = await sourceNamed(context, config, given, {
    kind,
    shape,
    largest,
    prefix: plan.source.prefix,
  });
  const chat = CHATS.find((one) => one === plan.chat);
  const most = stdout.isTTY ? ON_TERMINAL : IN_PIPE;
  return async ({ watching = false, follow = false } = {}) => {
    const began = now();
    const shown: Shown[] = [];
    const progress = await startProgress(context, 'Comparing');
    const rules = { kind, shape, prefix: toBytes(plan.prefix), chat, largest, now: began };
    try {
      const verified = await atTarget(context, target, (at) =>
        verifyPlan({
          ...at,
          folder: planFolder(state, plan.id),
          plan,
          source,
          changes: follow ? source.changed?.() : undefined,
          rules,
          onProgress: (said) =>
            progress.say(
              'reading' in said
                ? `Reading the source: ${countText(said.reading)} entries so far`
                : `Comparing: ${countText(said.compared)} of ${countText(plan.records)} entries`,
            ),
          onDifference({ key, ...rest }) {
            if (settings.json && !watching)
              emitLine(context, { type: 'item', ...named('key', key), ...rest });
            const text = named('key', key).key ?? '';
            if (shown.length < most && BAD_VERDICTS.includes(rest.verdict))
              shown.push({ key: text, ...rest });
          },
        }),
      );
      const result = toResult(plan, verified, now() - began);
      return { result, shown, followable: source.changed !== undefined };
    } finally {
      progress.stop();
    }
  };
}

function toResult(plan: Plan, verified: Verified, took_ms: number): VerifyResult {
  const { source, appeared, bad } = verified;
  const counts = Object.fromEntries(
    VERDICTS.map((verdict) => [verdict, verified.counts.get(verdict) ?? 0]),
  ) as Record<Verdict, number>;
  const agree = BAD_VERDICTS.every((verdict) => counts[verdict] === 0);
  const { id, kind, target } = plan;
  return verifyResult.parse({
    plan: id,
    kind,
    target,
    agree,
    source,
    counts,
    appeared,
    bad: source === 'unchanged' || source === 'unread' ? plan.bad : bad,
    took_ms,
  });
}
