import { type KeyResult, RESULTS } from '../../keys/bulk/store.js';
import type { Block, Cell, Tone } from '../../output/blocks.js';
import { bytes, count, ms, status } from '../../output/format.js';
import type { ImpactResult } from './change.js';
import type { SummaryResult } from './change-report.js';
import { hidden, moving, sizeless } from './render-ls.js';
import { keyCell } from './targets.js';

const TONES: Record<KeyResult, Tone> = {
  done: 'ok',
  gone: 'dim',
  raced: 'warn',
  refused: 'critical',
};
const MEANINGS: Record<KeyResult, string> = {
  done: '',
  gone: 'not there any more',
  raced: 'somebody has set a TTL meanwhile: it was left alone',
  refused: 'the ACL of this user does not allow it',
};

export interface ChangeResult {
  summary: SummaryResult;
  /** The first of those that were not done. */
  others: { key: string; result: KeyResult; detail: string | null; in_doubt: boolean }[];
}

export function renderChange({ summary, others }: ChangeResult): Block[] {
  const { counts, total, action, what, target, unreadable } = summary;
  if (total === 0) {
    const nothing = action === 'rm' ? 'No key to remove' : 'No key lacks the TTL of its rule';
    return [
      { note: `${nothing}: ${what}, in ${target}.` },
      ...(unreadable > 0 ? [hidden(unreadable)] : []),
    ];
  }
  const refused = others.filter(({ result }) => result === 'refused' || result === 'raced');
  const rows = RESULTS.filter((result) => counts[result] > 0).map((result): Cell[] => [
    status(result, TONES[result]),
    count(counts[result]),
    MEANINGS[result],
  ]);
  return [
    ...(refused.length > 0
      ? [
          {
            title: 'Not done',
            table: {
              columns: ['key', 'result', 'detail'],
              rows: refused.map(({ key, result, detail }) => [
                keyCell(key),
                status(result, TONES[result]),
                detail,
              ]),
            },
          },
        ]
      : []),
    { title: `keys ${action}`, table: { columns: ['result', 'keys', 'detail'], rows } },
    ...notes(summary),
  ];
}

function notes(summary: SummaryResult): Block[] {
  const { action, counts, total, took_ms, in_doubt, journal, resume, unreadable } = summary;
  const ended = RESULTS.reduce((sum, result) => sum + counts[result], 0);
  const verb = action === 'rm' ? 'removed' : 'given a TTL';
  return [
    {
      note: `${count(counts.done).text} of ${count(total).text} ${verb} in ${ms(took_ms).text}.`,
      tone: counts.done === total ? 'ok' : 'warn',
    },
    ...(ended > counts.done ? [{ note: `Each of the others: ${journal}` }] : []),
    ...(in_doubt > 0
      ? [
          {
            note: `Of these an interrupted run had begun with ${count(in_doubt).text}: it may have done them, or somebody else has.`,
            tone: 'warn' as const,
          },
        ]
      : []),
    ...(unreadable > 0 ? [hidden(unreadable)] : []),
    ...(resume
      ? [
          {
            note: `${count(total - ended).text} are left. To go on: ${resume}`,
            tone: 'warn' as const,
          },
        ]
      : []),
  ];
}

/** So many groups are shown; --json has all that were told apart. */
const GROUPS = 20;

export function renderImpact(result: ImpactResult): Block[] {
  const { action, target, what, keys, groups, queues, refused, unreadable, no_sizes } = result;
  const fixing = action === 'fix-ttl';
  const rows = groups
    .slice(0, GROUPS)
    .map((group): Cell[] => [
      keyCell(group.pattern),
      count(group.keys),
      bytes(group.bytes),
      ...(fixing ? [ms(group.ttl_ms)] : []),
      keyCell(group.example.key),
    ]);
  const columns = [
    fixing ? 'rule' : 'keys like',
    'keys',
    'size',
    ...(fixing ? ['ttl'] : []),
    'example',
  ];
  return [
    ...(rows.length > 0 ? [{ table: { columns, rows, optional: ['example'] } }] : []),
    ...(groups.length > GROUPS ? [{ note: `and ${groups.length - GROUPS} more groups` }] : []),
    ...queues.slice(0, 5).map(
      (queue): Block => ({
        note: `${count(queue.keys).text} of them belong to the BullMQ queue ${queue.queue}`,
        tone: 'critical',
      }),
    ),
    ...(refused === null
      ? []
      : [{ note: `It would be refused: ${refused}`, tone: 'critical' as const }]),
    ...(unreadable > 0 ? [hidden(unreadable)] : []),
    ...(no_sizes ? [sizeless()] : []),
    ...(result.slots_moved ? [moving()] : []),
    {
      note: `${fixing ? 'A TTL would be set on' : 'Removed would be'} ${count(keys).text} keys of ${target}${sizeOf(result)}: ${what}. Nothing was changed.`,
    },
    ...(result.complete
      ? []
      : [{ note: 'Interrupted: not all keys were looked at.', tone: 'warn' as const }]),
  ];
}

function sizeOf({ bytes: size }: ImpactResult): string {
  return size === null ? '' : `, about ${bytes(size).text}`;
}
