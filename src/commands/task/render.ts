import type { Block, Cell, Tone } from '../../output/blocks.js';
import { count, ms, percent, status } from '../../output/format.js';
import type { TaskList, TaskRetried, TaskShown } from '../task.js';

const TONE: Record<string, Tone> = {
  completed: 'ok',
  processing: 'ok',
  failed: 'critical',
  cancelled: 'dim',
  pending: 'unknown',
};

export function renderList({ tasks }: TaskList, now: number): Block[] {
  return [
    {
      table: {
        columns: [
          ...['task', 'user', 'kind', 'status', 'done', 'items', 'failed', 'conflicts', 'batches'],
          ...['still', 'per second', 'ends in', 'checkpoint'],
        ],
        optional: ['conflicts', 'user', 'checkpoint', 'batches', 'kind', 'failed', 'per second'],
        rows: tasks.map((task) => [
          task.id,
          task.user,
          task.kind,
          status(task.status, TONE[task.status] ?? 'unknown'),
          percent(task.processed_items / task.total_items),
          `${task.processed_items}/${task.total_items}`,
          count(task.failed_items),
          count(task.conflict_items),
          `${task.processed_batches}/${task.total_batches}`,
          count(task.stalled_batches, task.stalled_batches > 0 ? 'critical' : undefined),
          task.rate,
          until(task.expected_end, now),
          since(task.last_checkpoint, now),
        ]),
      },
    },
    ...tasks
      .filter(({ stalled_batches }) => stalled_batches > 0)
      .map(
        ({ id, stalled_batches }): Block => ({
          note: `${stalled_batches} batches of ${id} stand still: no instance with a worker is up, or it cannot reach Postgres`,
          tone: 'critical',
        }),
      ),
  ];
}

export function renderTask(result: TaskShown, now: number): Block[] {
  const { batches, task, target } = result;
  const failed = batches.filter(({ state }) => state === 'failed');
  return [
    ...renderList({ target, tasks: [task] }, now),
    {
      table: {
        columns: [
          ...['batch', 'state', 'at', 'worker', 'attempts', 'deaths'],
          ...['queued', 'sign of life', 'checkpoint', 'error'],
        ],
        optional: ['queued', 'deaths', 'sign of life', 'attempts'],
        rows: batches.map((batch) => [
          batch.batch,
          batch.stalled
            ? status('stands still', 'critical')
            : status(batch.state, TONE[batch.state] ?? 'unknown'),
          `${batch.current_index}/${batch.items}`,
          batch.owner,
          batch.attempts,
          batch.deaths,
          batch.queued ? 'yes' : 'no',
          since(batch.heartbeat_at, now),
          since(batch.last_checkpoint, now),
          batch.error,
        ]),
      },
    },
    ...(failed.length > 0
      ? [
          {
            note: `${failed.length} batches failed: cache-ops task retry ${task.id}`,
            tone: 'critical' as const,
          },
        ]
      : []),
  ];
}

export function renderRetry({ task, batches, dry_run }: TaskRetried): Block[] {
  const result = dry_run ? 'would be put back' : 'put back';
  return [
    {
      table: {
        columns: ['task', 'batch', 'result'],
        rows: batches.map((batch) => [task, batch, result]),
      },
    },
    {
      note:
        batches.length === 0
          ? `No batch of ${task} has failed.`
          : `${batches.length} batches ${result}${dry_run ? '; nothing was changed' : ': an instance takes them within seconds'}.`,
    },
  ];
}

function until(moment: string | null, now: number): Cell {
  if (moment === null) return null;
  const left = Date.parse(moment) - now;
  return left > 0 ? ms(left) : { value: 0, text: 'overdue', tone: 'warn' };
}

function since(moment: string | null, now: number): Cell {
  return moment === null ? null : ms(Math.max(0, now - Date.parse(moment)));
}
