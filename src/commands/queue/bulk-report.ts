import { join } from 'node:path';
import type { Context } from '../../context.js';
import { emitLine } from '../../output/emit.js';
import type { Journal, Reported } from '../../queues/bulk/journal.js';
import { type OperationRecord, operationFolder } from '../../queues/bulk/store.js';
import { RESULTS } from '../../queues/operation.js';
import { tellChange } from '../change-report.js';
import { type SummaryResult, summaryResult } from './bulk-result.js';
import { renderChange } from './render-bulk.js';

/** How an operation on jobs is told. */
export function report(context: Context, record: OperationRecord) {
  const { total, missing } = record;
  if (context.settings.json) for (const id of missing) emitLine(context, missingItem(id));
  return tellChange<Reported, Journal, SummaryResult>(context, {
    noun: 'jobs',
    total,
    item: (outcome) => ({ ...outcome }),
    summary: (journal, took_ms) => summaryOf(context, record, journal, took_ms),
    blocks(summary, journal, shown) {
      const others = [...journal.others, ...missing.map((id) => missingItem(id))];
      return renderChange({ summary, others: others.slice(0, shown) });
    },
    audit(summary) {
      const { operation, action, what, queues, counts, in_doubt } = summary;
      return {
        action: `queue ${action}`,
        target: queues.map(({ source, queue }) => `${source} ${queue}`).join(', '),
        done: counts.done === summary.total,
        detail: { operation, what, total: summary.total, ...counts, in_doubt },
      };
    },
  });
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
