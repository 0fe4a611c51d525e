import { nearest } from '../../config/nearest.js';
import { parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { STATUSES, type Status, worst } from '../../health/finding.js';
import { inspectMemory } from '../../memory/overview.js';
import { type OverviewResult, overviewResult } from '../../memory/result.js';
import { emit } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { selectRedis } from '../../redis/target.js';
import { spanText } from '../../words.js';
import type { OverviewFlags } from './overview.js';
import { renderLines, renderScreen } from './render-overview.js';

interface Given {
  targets: readonly string[];
  /** The subcommands' names: what is no target may be one that was mistyped. */
  commands: readonly string[];
  flags: OverviewFlags;
}

/** `memory` without a subcommand, when its flags are known. */
export async function runOverview(
  context: Context,
  { targets, commands, flags }: Given,
): Promise<void> {
  const sample = flags.sample === undefined ? 0 : parseDuration(flags.sample, '--sample');
  const known = await knownTargets(context, commands, targets);
  const { result, reached } = await overview(context, { targets: known, sample });
  const now = context.now();
  await emit(context, result, (all) =>
    context.stdout.isTTY ? renderScreen(all, now) : renderLines(all, now),
  );
  const limit: Status = flags.strict ? 'warn' : 'critical';
  if (STATUSES.indexOf(result.status) >= STATUSES.indexOf(limit)) context.exitCode = ExitCode.bad;
  if (!reached) context.exitCode = ExitCode.connect;
}

/** A word that is no target may be a command that was mistyped. */
async function knownTargets(
  context: Context,
  commands: readonly string[],
  targets: readonly string[],
): Promise<readonly string[]> {
  const { redis } = await context.config();
  const unknown = targets.find((name) => !Object.hasOwn(redis, name) && !/[:/@]/.test(name));
  if (unknown === undefined) return targets;
  const names = [...Object.keys(redis), ...commands];
  throw new CacheOpsError(
    'not_found',
    `no Redis and no command of memory is named "${unknown}"`,
    nearest(unknown, names),
  );
}

interface OverviewRequest {
  targets: readonly string[];
  /** Milliseconds; 0 measures no rate. */
  sample: number;
}

async function overview(
  context: Context,
  { targets, sample }: OverviewRequest,
): Promise<{ result: OverviewResult; reached: boolean }> {
  const chosen = selectRedis(await context.config(), targets);
  const { state, signal, now, settings } = context;
  const names = chosen.map(({ name }) => name).join(', ');
  const until = sample > 0 ? `, again in ${spanText(sample)}` : '';
  const progress = await startProgress(context, `Reading the memory of ${names}${until}`);
  const at = new Date(now()).toISOString();
  try {
    const options = { sample, state, signal, now, timeout: settings.timeout };
    const seen = await Promise.all(chosen.map((target) => inspectMemory(target, options)));
    const servers = seen.flatMap((target) => target.servers);
    const result = overviewResult.parse({
      status: worst(servers.map(({ status }) => status)),
      at,
      sample_ms: sample,
      servers,
      unwritable: seen.find(({ unwritable }) => unwritable !== null)?.unwritable ?? null,
    });
    return { result, reached: seen.every((target) => target.reached) };
  } finally {
    progress.stop();
  }
}
