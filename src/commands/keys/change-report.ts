import { join } from 'node:path';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import type { Journal, Reported } from '../../keys/bulk/journal.js';
import { ACTIONS, type ChangeRecord, changeFolder, countsSchema } from '../../keys/bulk/store.js';
import { named } from '../../keys/names.js';
import { tellChange } from '../change-report.js';
import { renderChange } from './render-change.js';
import { place } from './targets.js';

/** What became of a change: the last line of NDJSON. */
const summaryResult = z.extend(place, {
  /** Null when no key was chosen. */
  change: z.nullable(z.string()),
  action: z.enum(ACTIONS),
  what: z.string(),
  state: z.enum(['finished', 'open']),
  total: z.number(),
  counts: countsSchema,
  /** Of those gone or raced: an interrupted run had begun with them and may have done them. */
  in_doubt: z.number(),
  /** Keys that the ACL of this user hides: they were not chosen. */
  unreadable: z.number(),
  took_ms: z.number(),
  /** Every key that was not done is a line of this file. */
  journal: z.nullable(z.string()),
  /** The command that goes on with it; null when it is finished. */
  resume: z.nullable(z.string()),
});
export type SummaryResult = z.infer<typeof summaryResult>;

/** How a change of keys is told. */
export function report(context: Context, record: ChangeRecord) {
  return tellChange<Reported, Journal, SummaryResult>(context, {
    noun: 'keys',
    total: record.total,
    item: ({ key, ...outcome }) => ({ ...named('key', key), ...outcome }),
    summary: (journal, took_ms) => summaryOf(context, record, journal, took_ms),
    blocks: (summary, journal) => {
      const others = journal.others.map(({ key, ...rest }) => ({ ...named('key', key), ...rest }));
      return renderChange({ summary, others });
    },
    audit({ change, action, what, target, db, counts, total, in_doubt }) {
      return {
        action: `keys ${action}`,
        target,
        // A key that is gone, or that has a TTL by now, is as it was to be.
        done: counts.refused === 0,
        detail: { change, what, db, total, ...counts, in_doubt },
      };
    },
  });
}

export function resumeCommand({ action, id }: Pick<ChangeRecord, 'action' | 'id'>): string {
  return `cache-ops keys ${action === 'rm' ? 'rm' : 'audit --fix-ttl'} --resume ${id}`;
}

function summaryOf(
  { state }: Context,
  record: ChangeRecord,
  journal: Journal,
  took_ms: number,
): SummaryResult {
  const { id, action, what, total, unreadable, target, db } = record;
  const open = journal.position < total;
  return summaryResult.parse({
    change: total > 0 ? id : null,
    action,
    what,
    target,
    db,
    state: open ? 'open' : 'finished',
    total,
    counts: journal.counts,
    in_doubt: journal.in_doubt,
    unreadable,
    took_ms,
    journal: total > 0 ? join(changeFolder(state, id), 'journal.ndjson') : null,
    resume: open ? resumeCommand(record) : null,
  });
}
