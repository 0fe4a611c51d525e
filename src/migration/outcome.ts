/** What became of each entry, as a byte of `outcomes.bin`. */
export const OUTCOMES = [
  'open',
  'created',
  'replaced',
  'equal',
  'newer',
  'skipped',
  'unknown',
  'other_type',
  'expired',
  'hidden',
  'duplicate',
  'unreadable',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const Code = Object.fromEntries(OUTCOMES.map((name, code) => [name, code])) as Record<
  Outcome,
  number
>;

/** What each means, for people. */
export const MEANINGS: Readonly<Record<Outcome, string>> = {
  open: 'not begun yet',
  created: 'the key was not there; it was written',
  replaced: 'the target had an older value; it was overwritten, and is kept for a rollback',
  equal: 'the target had this very value; nothing was written',
  newer: 'the target has a value that is as new or newer; it was left',
  skipped: 'the target has another value; it was left, as --on-conflict skip wants',
  unknown: 'the target has another value, and times do not tell which is newer; it was left',
  other_type: 'the key holds another type than text; it was left',
  expired: 'its time had run out before it was written',
  hidden: 'the ACL of this user does not allow it',
  duplicate: 'another entry of the same user and task is kept',
  unreadable: 'the target cannot read the dump: it is of a later version, or has no such type',
};

/** Outcomes after which the entry's state is not in the target as it should be. */
export const UNDONE: readonly Outcome[] = ['unknown', 'other_type', 'hidden', 'unreadable'];

export type OutcomeCounts = Record<Outcome, number>;

export function countOutcomes(codes: Uint8Array, counts = noOutcomes()): OutcomeCounts {
  for (const code of codes) counts[OUTCOMES[code] ?? 'open'] += 1;
  return counts;
}

export function noOutcomes(): OutcomeCounts {
  return Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as OutcomeCounts;
}
