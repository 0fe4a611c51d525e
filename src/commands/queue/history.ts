import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import type { Block } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { count, status } from '../../output/format.js';
import { readJournal } from '../../queues/bulk/journal.js';
import {
  ACTIONS,
  allRecords,
  countsSchema,
  type OperationRecord,
  operationFolder,
} from '../../queues/bulk/store.js';
import { RESULTS } from '../../queues/operation.js';
import { holderOf } from '../../state/lock.js';
import { resumeCommand } from './bulk-report.js';

const historyResult = z.object({
  operations: z.array(
    z.object({
      operation: z.string(),
      action: z.enum(ACTIONS),
      what: z.string(),
      state: z.enum(['running', 'open', 'finished']),
      environment: z.string(),
      total: z.number(),
      counts: countsSchema,
      began_at: z.string(),
      ended_at: z.nullable(z.string()),
      resume: z.nullable(z.string()),
    }),
  ),
});
export type HistoryResult = z.infer<typeof historyResult>;

export function registerHistory(topic: Command, context: Context): void {
  topic
    .command('history')
    .description('changes to jobs: those that can be resumed, and those that are over')
    .addHelpText(
      'after',
      `
Newest first. The files of each are in the folder queues/bulk of the state folder.

Examples:
  $ cache-ops queue history
  $ cache-ops queue history --json | jq -r '.operations[] | select(.state == "open").resume'`,
    )
    .action(async () => emit(context, await history(context), renderHistory));
}

export async function history({ state }: Pick<Context, 'state'>): Promise<HistoryResult> {
  const operations = allRecords(state).map((record) => entry(state, record));
  return historyResult.parse({ operations: await Promise.all(operations) });
}

async function entry(state: Context['state'], record: OperationRecord) {
  const { id, action, what, environment, total, began_at, ended_at } = record;
  const folder = operationFolder(state, id);
  const counts = ended_at ? record.counts : (await readJournal(folder, 0)).groups.counts();
  const running = !ended_at && holderOf(folder) !== undefined;
  return {
    operation: id,
    action,
    what,
    state: ended_at ? 'finished' : running ? 'running' : 'open',
    environment,
    total,
    counts,
    began_at,
    ended_at,
    resume: ended_at || running ? null : resumeCommand(record),
  };
}

export function renderHistory({ operations }: HistoryResult): Block[] {
  if (operations.length === 0) return [{ note: 'No job has been changed from here yet.' }];
  const open = operations.filter(({ resume }) => resume !== null);
  return [
    {
      table: {
        columns: ['operation', 'state', 'jobs', 'done', 'others', 'what'],
        optional: ['what'],
        rows: operations.map(({ operation, state, total, counts, what }) => {
          const ended = RESULTS.reduce((sum, result) => sum + (counts[result] ?? 0), 0);
          const done = counts.done ?? 0;
          return [
            operation,
            status(state, state === 'open' ? 'warn' : 'ok'),
            count(total),
            count(done),
            count(ended - done),
            what,
          ];
        }),
      },
    },
    ...open.map(({ resume }) => ({ note: `To go on: ${resume}`, tone: 'warn' as const })),
  ];
}
