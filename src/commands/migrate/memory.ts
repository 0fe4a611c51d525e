import { CacheOpsError } from '../../errors.js';
import type { Plan } from '../../migration/plan/store.js';
import { FULLEST, type Room, shareWith } from '../../migration/target/state.js';
import type { Block } from '../../output/blocks.js';
import { bytes, percent } from '../../output/format.js';
import { percentText } from '../../words.js';

/** What of a plan says how much memory it takes. */
type Taking = Pick<Plan, 'kind' | 'target' | 'bytes' | 'memory'>;

/** Would the target be too full? Not where there is nothing to be written. */
export function isTooFull({ bytes: { memory: more }, memory: { ratio_after } }: Taking): boolean {
  return Boolean(more) && ratio_after !== null && ratio_after > FULLEST;
}

export interface HowFull {
  allowMemory?: boolean;
  dryRun?: boolean;
}

/**
 * Refuses what would make a target too full; `open` is the share of the plan that is still to be
 * written. Returns the share of its memory that the target would use, null where that is not known.
 */
export function guardMemory(
  plan: Taking,
  room: Room,
  open: number,
  { allowMemory, dryRun }: HowFull,
): number | null {
  const more = (plan.bytes.memory ?? 0) * open;
  const ratio = shareWith(room, more);
  if (more === 0 || ratio === null || ratio <= FULLEST || allowMemory || dryRun) return ratio;
  throw new CacheOpsError(
    'refused',
    `${plan.target} would be ${percentText(ratio)} full, and 80 % is the most`,
    'make room, or raise maxmemory; --allow-memory writes all the same',
  );
}

/** How much a plan writes, what memory that takes, and how full the target gets. */
export function memoryNotes(plan: Taking): Block[] {
  const { target, kind, memory } = plan;
  const values = `${bytes(plan.bytes.values).text} of ${kind === 'jobs' ? 'data' : 'values'}`;
  if (plan.bytes.memory === null)
    return [
      { note: `${values}. ${target} has no limit of memory: how full it gets is not checked.` },
    ];
  const tooFull = isTooFull(plan);
  return [
    {
      note: `${values}, about ${bytes(plan.bytes.memory).text} of memory${full(memory.ratio_after)}.`,
      tone: tooFull ? 'critical' : 'ok',
    },
    ...(tooFull
      ? [
          {
            note: `${target} would be more than 80 % full: apply refuses that without --allow-memory.`,
            tone: 'critical' as const,
          },
        ]
      : []),
  ];
}

function full(ratio: number | null): string {
  return ratio === null
    ? '; how full the target gets is not known'
    : `: the target would be ${percent(ratio).text} full`;
}
