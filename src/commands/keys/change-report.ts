import { join } from 'node:path';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import { messageOf } from '../../errors.js';
import type { Applied } from '../../keys/bulk/apply.js';
import type { Journal } from '../../keys/bulk/journal.js';
import { ACTIONS, type ChangeRecord, changeFolder, countsSchema } from '../../keys/bulk/store.js';
import { named } from '../../keys/names.js';
import { emit, emitLine, say } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { audit } from '../../state/audit.js';
import { age } from '../../words.js';
import { renderChange } from './render-change.js';
import { place } from './targets.js';

/** So many keys that were not done are shown; the journal has all. */
const ON_TERMINAL = 20;
const IN_PIPE = 1_000;

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

/** Tells the operator, or a script, how a change goes; and the audit log how it ended. */
export async function report(context: Context, record: ChangeRecord) {
  const { settings, now, stdout } = context;
  const shown = stdout.isTTY ? ON_TERMINAL : IN_PIPE;
  const progress = await startProgress(context, `${record.total} keys`);
  const began = now();
  let before = 0;
  return {
    shown,
    start(position: number) {
      before = position;
    },
    async step({ outcomes, position }: Applied): Promise<void> {
      const took = Math.max(now() - began, 1);
      const rate = ((position - before) / took) * 1_000;
      const left_ms = Math.round(((record.total - position) / rate) * 1_000);
      if (settings.json) {
        for (const { key, ...outcome } of outcomes)
          emitLine(context, { type: 'item', ...named('key', key), ...outcome });
        emitLine(context, {
          type: 'progress',
          position,
          total: record.total,
          rate: Math.round(rate),
          left_ms,
        });
        await stdout.drained?.();
      }
      const said = [position, record.total, rate].map((figure) =>
        Math.round(figure).toLocaleString('en-US'),
      );
      progress.say(
        `${said[0]} of ${said[1]} keys, ${said[2]} a second, ${age(left_ms / 1_000)} left`,
      );
    },
    async end(journal: Journal, how: 'finished' | 'interrupted' | 'failed'): Promise<void> {
      progress.stop();
      const summary = summaryOf(context, record, journal, now() - began);
      if (settings.json) {
        emitLine(context, { type: 'summary', ...summary });
        // Whoever closed stdout has not read the summary.
        if (how === 'interrupted')
          say(context, `stopped after ${journal.position} keys; go on with: ${summary.resume}`);
      } else {
        const others = journal.others.map(({ key, ...rest }) => ({
          ...named('key', key),
          ...rest,
        }));
        await emit(context, { summary, others }, renderChange);
      }
      if (record.total > 0) writeAudit(context, summary, how);
    },
  };
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

/** The changes have been made whether or not this can be written: a full disk is said, not thrown. */
function writeAudit(
  context: Context,
  { change, action, what, target, db, counts, total, in_doubt }: SummaryResult,
  how: 'finished' | 'interrupted' | 'failed',
): void {
  // A key that is gone, or that has a TTL by now, is as it was to be.
  const done = counts.refused === 0 ? 'done' : 'partly done';
  try {
    audit(context, {
      action: `keys ${action}`,
      target,
      result: how === 'finished' ? done : how,
      detail: { change, what, db, total, ...counts, in_doubt },
    });
  } catch (error) {
    say(context, `the audit log has no line of this: ${messageOf(error)}`);
  }
}
