import { join } from 'node:path';
import type { Context } from '../../context.js';
import { messageOf } from '../../errors.js';
import { emit, emitLine, say } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import type { Applied } from '../../queues/bulk/apply.js';
import type { Journal } from '../../queues/bulk/journal.js';
import { type OperationRecord, operationFolder } from '../../queues/bulk/store.js';
import { RESULTS } from '../../queues/operation.js';
import { audit } from '../../state/audit.js';
import { age, countText } from '../../words.js';
import { type SummaryResult, summaryResult } from './bulk-result.js';
import { renderChange } from './render-bulk.js';

/** So many jobs that were not done are shown; the journal has all. */
const ON_TERMINAL = 20;
const IN_PIPE = 1_000;

/** Tells the operator, or a script, how an operation goes; and the audit log how it ended. */
export async function report(context: Context, record: OperationRecord) {
  const { settings, now, stdout } = context;
  const shown = stdout.isTTY ? ON_TERMINAL : IN_PIPE;
  const progress = await startProgress(context, `${record.total} jobs`);
  const began = now();
  let before = 0;
  if (settings.json) for (const id of record.missing) emitLine(context, missingItem(id));
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
        for (const outcome of outcomes) emitLine(context, { type: 'item', ...outcome });
        emitLine(context, {
          type: 'progress',
          position,
          total: record.total,
          rate: Math.round(rate),
          left_ms,
        });
        await stdout.drained?.();
      }
      const said = [position, record.total, rate].map((figure) => countText(Math.round(figure)));
      progress.say(
        `${said[0]} of ${said[1]} jobs, ${said[2]} a second, ${age(left_ms / 1_000)} left`,
      );
    },
    async end(journal: Journal, how: 'finished' | 'interrupted' | 'failed'): Promise<void> {
      progress.stop();
      const summary = summaryOf(context, record, journal, now() - began);
      if (settings.json) {
        emitLine(context, { type: 'summary', ...summary });
        // Whoever closed stdout has not read the summary.
        if (how === 'interrupted')
          say(context, `stopped after ${journal.position} jobs; go on with: ${summary.resume}`);
      } else {
        const others = [...journal.others, ...record.missing.map((id) => missingItem(id))];
        await emit(context, { summary, others: others.slice(0, shown) }, renderChange);
      }
      if (record.total > 0) writeAudit(context, summary, how);
    },
  };
}

export function resumeCommand({ action, id }: Pick<OperationRecord, 'action' | 'id'>): string {
  return `cache-ops queue ${action} --resume ${id}`;
}

function missingItem(id: string) {
  return {
    type: 'item' as const,
    engine: null,
    source: null,
    scope: null,
    queue: null,
    id,
    result: 'missing' as const,
    detail: 'no queue has a job of this id',
    in_doubt: false,
  };
}

function summaryOf(
  { state }: Context,
  record: OperationRecord,
  journal: Journal,
  took_ms: number,
): SummaryResult {
  const { id, action, what, total, missing, unreadable } = record;
  const open = journal.position < total;
  for (const absent of missing) {
    const { result, detail } = missingItem(absent);
    journal.groups.add(result, detail, absent);
  }
  const sums = journal.groups.counts();
  const counts = Object.fromEntries(RESULTS.map((result) => [result, sums[result] ?? 0]));
  return summaryResult.parse({
    operation: total > 0 ? id : null,
    action,
    what,
    state: open ? 'open' : 'finished',
    queues: record.queues.filter((_, index) => record.chosen[index]),
    total: total + missing.length,
    counts,
    groups: journal.groups.list(),
    in_doubt: journal.in_doubt,
    unreadable,
    took_ms,
    journal: total > 0 ? join(operationFolder(state, id), 'journal.ndjson') : null,
    resume: open ? resumeCommand(record) : null,
  });
}

/** The changes have been made whether or not this can be written: a full disk is said, not thrown. */
function writeAudit(
  context: Context,
  { operation, action, what, queues, counts, total, in_doubt }: SummaryResult,
  how: 'finished' | 'interrupted' | 'failed',
): void {
  const done = counts.done === total ? 'done' : 'partly done';
  try {
    audit(context, {
      action: `queue ${action}`,
      target: queues.map(({ source, queue }) => `${source} ${queue}`).join(', '),
      result: how === 'finished' ? done : how,
      detail: { operation, what, total, ...counts, in_doubt },
    });
  } catch (error) {
    say(context, `the audit log has no line of this: ${messageOf(error)}`);
  }
}
