import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { impactOf } from '../../keys/bulk/impact.js';
import type { Select, Selection } from '../../keys/bulk/select.js';
import { ACTIONS, type KeyAction } from '../../keys/bulk/store.js';
import { named } from '../../keys/names.js';
import { emit } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import type { Consent } from '../../prompt.js';
import type { RedisTarget } from '../../redis/target.js';
import { countText } from '../../words.js';
import { addPace, type PaceFlags } from '../pace.js';
import { changeKeys } from './change-run.js';
import { renderImpact } from './render-change.js';
import { atTarget, keyName, place, type Where } from './targets.js';

export interface ChangeFlags extends Consent, PaceFlags {
  dryRun?: boolean;
  rate?: string;
  resume?: string | true;
}

/** Keys of one Redis that are to be changed. */
export interface Change {
  action: KeyAction;
  target: RedisTarget;
  where: Where;
  /** The selection in words. */
  what: string;
  select: Select;
  /** Throws where these keys must not be changed. */
  guard(selection: Selection): void;
}

export function addChangeFlags(command: Command, note = ''): Command {
  const only = note === '' ? '' : ` (${note})`;
  return addPace(command)
    .option('--dry-run', `say what would be changed, and change nothing${only}`)
    .option('--rate <n>', `at most so many keys a second${only}`)
    .option('--resume [change]', `go on with what was interrupted (default: the newest)${only}`)
    .option('-y, --yes', `do not ask${only}`)
    .option('--confirm <name>', `the name of the Redis, for production${only}`);
}

/** With --resume nothing else may choose keys. */
export function refuseWords(
  command: string,
  words: readonly string[],
  { dryRun }: ChangeFlags,
): void {
  if (words.length === 0 && !dryRun) return;
  throw new CacheOpsError(
    'usage',
    '--resume goes on with the keys that were chosen: it takes no others',
    `cache-ops ${command} --resume [change]`,
  );
}

export function rateOf({ rate }: ChangeFlags): number | undefined {
  return rate === undefined ? undefined : parseCount(rate, '--rate');
}

/** What a dry run says. */
const impactResult = z.extend(place, {
  action: z.enum(ACTIONS),
  what: z.string(),
  keys: z.number(),
  /** An estimate by samples; null where the server does not say. */
  bytes: z.nullable(z.number()),
  /** By what their names have in common, or by rule. */
  groups: z.array(
    z.object({
      pattern: z.string(),
      keys: z.number(),
      bytes: z.nullable(z.number()),
      example: keyName,
      /** The time to live that they would get; null where they would be removed. */
      ttl_ms: z.nullable(z.number()),
    }),
  ),
  /** Of the keys, those of BullMQ queues. */
  queues: z.array(z.object({ queue: z.string(), keys: z.number() })),
  /** Why it would be refused; null when it would not. */
  refused: z.nullable(z.string()),
  unreadable: z.number(),
  no_sizes: z.boolean(),
  slots_moved: z.boolean(),
  looked_at: z.nullable(z.number()),
  complete: z.boolean(),
});
export type ImpactResult = z.infer<typeof impactResult>;

export async function changeOrPreview(
  context: Context,
  change: Change,
  flags: ChangeFlags,
): Promise<void> {
  const rate = rateOf(flags);
  if (!flags.dryRun) return changeKeys(context, change, { ...flags, rate });
  await emit(context, await preview(context, change), renderImpact);
}

async function preview(context: Context, change: Change): Promise<ImpactResult> {
  const { action, target, where, what, select } = change;
  const progress = await startProgress(context, 'Looking at keys');
  const onProgress = (keys: number) => progress.say(`Looking at keys: ${countText(keys)} so far`);
  try {
    return await atTarget(context, target, where, async (masters) => {
      const { signal } = context;
      const impact = await impactOf(masters, select, { signal, onProgress });
      return impactResult.parse({
        ...impact,
        target: masters.target,
        db: masters.db,
        action,
        what,
        groups: impact.groups.map(({ example, ...group }) => ({
          ...group,
          example: named('key', example),
        })),
        queues: [...impact.queues].map(([queue, keys]) => ({ queue, keys })),
        refused: refusal(change, impact),
      });
    });
  } finally {
    progress.stop();
  }
}

function refusal({ guard }: Change, selection: Selection): string | null {
  try {
    guard(selection);
    return null;
  } catch (error) {
    if (error instanceof CacheOpsError) return error.message;
    throw error;
  }
}
