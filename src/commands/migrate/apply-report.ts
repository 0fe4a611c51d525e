import { join } from 'node:path';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import { named } from '../../keys/names.js';
import type { Step } from '../../migration/apply/apply.js';
import {
  countOutcomes,
  MEANINGS,
  noOutcomes,
  OUTCOMES,
  type Outcome,
  type OutcomeCounts,
  UNDONE,
} from '../../migration/outcome.js';
import { EntryBytes } from '../../migration/plan/bytes.js';
import { type Plan, planFolder } from '../../migration/plan/store.js';
import { emitLine, say } from '../../output/emit.js';
import { countText } from '../../words.js';
import { tellChange } from '../change-report.js';
import { renderApply } from './render-apply.js';

const counts = z.object(
  Object.fromEntries(OUTCOMES.map((name) => [name, z.number()])) as Record<
    Outcome,
    z.ZodMiniNumber
  >,
);

/** How an apply went: the last line of NDJSON. */
export const applyResult = z.object({
  plan: z.string(),
  kind: z.string(),
  target: z.string(),
  state: z.enum(['applied', 'open']),
  total: z.number(),
  counts,
  /** Keys that this run has written; `counts` are of all runs of the plan. */
  written: z.number(),
  /** Of those created or replaced: written by a run that was killed before it could say so. */
  in_doubt: z.number(),
  /** Entries that the plan could not take. */
  bad: z.number(),
  took_ms: z.number(),
  resume: z.nullable(z.string()),
});
export type ApplyResult = z.infer<typeof applyResult>;

/** An entry that is neither created nor equal. */
export interface Left {
  key: string;
  place: number;
  outcome: Outcome;
  detail: string;
}

/** How applying a plan is told. */
export async function reportApply(context: Context, plan: Plan, from: number) {
  const folder = planFolder(context.state, plan.id);
  const sums = { written: 0, in_doubt: 0 };
  const left: Left[] = [];
  let position = from;
  let open = true;
  let result: ApplyResult | undefined;
  const told = await tellChange<Left, { position: number }, ApplyResult>(context, {
    noun: 'entries',
    total: plan.records,
    item: ({ key, ...rest }) => ({ ...named('key', key), ...rest }),
    summary(_, took_ms) {
      result = resultOf(plan, sums, took_ms, outcomesOf(folder, plan.records), open);
      return result;
    },
    blocks: (shown) => renderApply({ result: shown, left }),
    audit: ({ counts, total }) => ({
      action: 'migrate apply',
      target: plan.target,
      done: UNDONE.every((name) => counts[name] === 0),
      detail: { plan: plan.id, kind: plan.kind, total, ...counts },
    }),
  });
  told.start(from);
  return {
    async step(step: Step): Promise<void> {
      sums.in_doubt += step.in_doubt;
      sums.written += step.written;
      position = step.position;
      const outcomes = notSimplyThere(step);
      left.push(...outcomes.slice(0, told.shown - left.length));
      await told.step({ outcomes, position });
    },
    async end(ended: 'finished' | 'interrupted' | 'failed'): Promise<ApplyResult | undefined> {
      open = ended !== 'finished';
      await told.end({ position }, ended);
      return result;
    },
    get position() {
      return position;
    },
  };
}

/** Those of a step that are neither created nor equal: few, mostly none. */
function notSimplyThere({ chunk, outcomes }: Step): Left[] {
  const left: Left[] = [];
  for (let index = 0; index < outcomes.length; index += 1) {
    const outcome = OUTCOMES[outcomes[index] as number] as Outcome;
    if (outcome === 'created' || outcome === 'equal' || outcome === 'duplicate') continue;
    const [key, place] = [chunk.key(index), chunk.place(index)];
    left.push({ key, place, outcome, detail: MEANINGS[outcome] });
  }
  return left;
}

/** What a dry run says; `ratio`: how full the target would be. */
export function sayDry(context: Context, plan: Plan, mode: string, ratio: number | null): void {
  const folder = planFolder(context.state, plan.id);
  const none = { written: 0, in_doubt: 0 };
  if (context.settings.json) {
    const result = resultOf(plan, none, 0, outcomesOf(folder, plan.records), true);
    emitLine(context, { type: 'summary', ...result, dry_run: true, ratio });
  } else
    say(
      context,
      `Would write ${countText(plan.absent)} new keys to ${plan.target} and look at ${countText(plan.differs)} that differ (${mode}). Nothing was changed.`,
    );
}

export const resumeOf = ({ id }: Plan) => `cache-ops migrate apply ${id} --resume`;

function resultOf(
  plan: Plan,
  sums: { written: number; in_doubt: number },
  took_ms: number,
  found: OutcomeCounts,
  open: boolean,
): ApplyResult {
  return applyResult.parse({
    plan: plan.id,
    kind: plan.kind,
    target: plan.target,
    state: open ? 'open' : 'applied',
    total: plan.records,
    counts: found,
    ...sums,
    bad: plan.bad,
    took_ms,
    resume: open ? resumeOf(plan) : null,
  });
}

/** By what is on disk: of every run of a plan. */
export function outcomesOf(folder: string, entries: number): OutcomeCounts {
  const file = new EntryBytes(join(folder, 'outcomes.bin'));
  const counts = noOutcomes();
  try {
    for (let first = 0; first < entries; first += 65_536)
      countOutcomes(file.read(first, Math.min(65_536, entries - first)), counts);
  } finally {
    file.close();
  }
  return counts;
}
