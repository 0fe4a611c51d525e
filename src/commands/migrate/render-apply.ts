import { MEANINGS, OUTCOMES, type Outcome } from '../../migration/outcome.js';
import type { Block, Cell, Tone } from '../../output/blocks.js';
import { count, ms, status } from '../../output/format.js';
import type { ApplyResult, Left } from './apply-report.js';

const TONES: Readonly<Record<Outcome, Tone>> = {
  open: 'warn',
  created: 'ok',
  replaced: 'ok',
  equal: 'ok',
  newer: 'ok',
  skipped: 'dim',
  unknown: 'warn',
  other_type: 'warn',
  expired: 'dim',
  hidden: 'critical',
  duplicate: 'dim',
  unreadable: 'critical',
};

export interface ShownApply {
  result: ApplyResult;
  /** The first of those that are neither created nor equal. */
  left: Left[];
}

export function renderApply({ result, left }: ShownApply): Block[] {
  const { counts, written, total, target, kind, took_ms, in_doubt, bad, resume } = result;
  const rows = OUTCOMES.filter((name) => counts[name] > 0).map((name): Cell[] => [
    status(name, TONES[name]),
    count(counts[name]),
    MEANINGS[name],
  ]);
  const ours = counts.created + counts.replaced;
  return [
    ...(rows.length > 0
      ? [{ table: { columns: ['outcome', kind, 'meaning'], rows, optional: ['meaning'] } }]
      : []),
    ...left
      .filter(({ outcome }) => TONES[outcome] === 'warn' || TONES[outcome] === 'critical')
      .slice(0, 10)
      .map(({ key, detail }): Block => ({ note: `${key}: ${detail}`, tone: 'warn' })),
    ...(in_doubt > 0
      ? [
          {
            note: `${count(in_doubt).text} of them were written by a run that was killed before it could say so.`,
          },
        ]
      : []),
    {
      note: `${count(written).text} keys were written; of ${count(total).text} ${kind} ${count(ours).text} are in ${target} by this plan. ${ms(took_ms).text}.`,
      tone: resume ? 'warn' : 'ok',
    },
    ...(bad > 0
      ? [
          {
            note: `${count(bad).text} entries of the source could not be moved: cache-ops migrate status ${result.plan}`,
            tone: 'warn' as const,
          },
        ]
      : []),
    ...(resume ? [{ note: `To go on: ${resume}`, tone: 'warn' as const }] : []),
  ];
}
