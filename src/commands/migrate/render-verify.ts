import { BAD_VERDICTS, VERDICTS, type Verdict } from '../../migration/verify/compare.js';
import type { Block, Cell } from '../../output/blocks.js';
import { count, ms, status } from '../../output/format.js';
import type { Shown, VerifyResult } from './verify.js';

const MEANINGS: Readonly<Record<Verdict, string>> = {
  equal: 'as planned',
  newer: 'the application has changed it since',
  missing: 'the target does not have it',
  differs: 'another value, and no newer one',
  ttl_off: 'it expires at another time',
  other_type: 'the key holds another type than text',
  hidden: 'the ACL of this user hides it',
  expired: 'its time has run out',
  gone: 'neither side has it any more',
};

const SOURCES: Readonly<Record<VerifyResult['source'], string>> = {
  unchanged: 'The source was read again: it is what was planned, to the byte.',
  changed: 'The source has changed since the plan: its entries as they are now were compared.',
  read: 'The source was read again: its entries as they are now were compared.',
  followed: 'What has changed in the source since it was read was compared.',
  unread: 'The source can be read only once: the plan stands for it.',
};

export function renderVerify({ result, shown }: { result: VerifyResult; shown: Shown[] }): Block[] {
  const { counts, kind, target, agree, source, appeared, bad, took_ms } = result;
  const rows = VERDICTS.filter((verdict) => counts[verdict] > 0).map((verdict): Cell[] => [
    status(verdict, BAD_VERDICTS.includes(verdict) ? 'critical' : 'ok'),
    count(counts[verdict]),
    MEANINGS[verdict],
  ]);
  const details = shown.map(({ key, verdict, detail }): Cell[] => [key, verdict, detail]);
  return [
    { table: { columns: ['verdict', kind, 'meaning'], rows, optional: ['meaning'] } },
    ...(details.length > 0
      ? [{ title: 'What differs', table: { columns: ['key', 'verdict', 'what'], rows: details } }]
      : []),
    { note: SOURCES[source] },
    ...(appeared > 0
      ? [{ note: `${count(appeared).text} entries have appeared in the source since the plan.` }]
      : []),
    ...(bad > 0
      ? [
          {
            note: `${count(bad).text} entries of the source cannot be moved.`,
            tone: 'warn' as const,
          },
        ]
      : []),
    {
      note: `${agree ? 'Both sides agree' : `The source and ${target} do not agree`}; ${ms(took_ms).text}.`,
      tone: agree ? 'ok' : 'critical',
    },
  ];
}
