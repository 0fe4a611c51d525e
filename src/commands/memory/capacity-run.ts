import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import {
  type CapacityResult,
  capacityResult,
  type Estimate,
  estimate,
  estimateFor,
} from '../../memory/capacity.js';
import { emit } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { selectRedis } from '../../redis/target.js';
import type { CapacityFlags } from './capacity.js';
import { parseItems, parseSize } from './items.js';
import { renderCapacity } from './render-capacity.js';

/** `memory capacity`, when its flags are known. */
export async function runCapacity(
  context: Context,
  targets: readonly string[],
  flags: CapacityFlags,
): Promise<void> {
  const request = {
    items: parseItems(flags.item, flags.fromLive),
    overhead: parseSize(flags.overhead, '--overhead'),
    limit: flags.limit === undefined ? undefined : parseLimit(flags.limit),
  };
  const result = await capacity(context, targets, request);
  await emit(context, result, renderCapacity);
  if (result.targets.some(({ verdict }) => verdict !== 'fits')) context.exitCode = ExitCode.bad;
  if (result.targets.some(({ reachable }) => !reachable)) context.exitCode = ExitCode.connect;
}

function parseLimit(text: string): number {
  const limit = parseSize(text, '--limit');
  if (limit > 0) return limit;
  throw new CacheOpsError('usage', '--limit: nothing fits into 0');
}

async function capacity(
  context: Context,
  targets: readonly string[],
  request: Estimate,
): Promise<CapacityResult> {
  const live = request.items.some((item) => item.live !== undefined);
  if (request.limit !== undefined && targets.length === 0 && !live)
    return capacityResult.parse({ targets: [estimate(request)] });
  const config = await context.config();
  if (targets.length === 0 && Object.keys(config.redis).length === 0 && !live)
    throw new CacheOpsError(
      'config',
      'no Redis is configured whose limit could be taken',
      'give the limit: --limit 256mb',
    );
  const chosen = selectRedis(config, targets);
  const limits = { timeout: context.settings.timeout, signal: context.signal };
  const names = chosen.map(({ name }) => name).join(', ');
  const progress = await startProgress(context, `Measuring ${names}`);
  try {
    const estimates = chosen.map((target) => estimateFor(target, request, limits));
    return capacityResult.parse({ targets: await Promise.all(estimates) });
  } finally {
    progress.stop();
  }
}
