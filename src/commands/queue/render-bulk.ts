import type { Block, Cell, Tone } from '../../output/blocks.js';
import { count, ms, status } from '../../output/format.js';
import { RESULTS, type Result } from '../../queues/operation.js';
import { countText } from '../../words.js';
import type { ImpactResult, SummaryResult } from './bulk-result.js';

const TONES: Record<Result, Tone> = {
  done: 'ok',
  fenced: 'warn',
  raced: 'warn',
  locked: 'warn',
  conflict: 'warn',
  scheduled: 'warn',
  missing: 'warn',
};

interface Other {
  queue: string | null;
  id: string;
  result: Result;
  detail: string;
  in_doubt: boolean;
}

export interface ChangeResult {
  summary: SummaryResult;
  /** The first of those that were not done. */
  others: Other[];
}

export function renderChange({ summary, others }: ChangeResult): Block[] {
  const { groups, total, action } = summary;
  if (total === 0) return [{ note: `No job to ${action}: ${summary.what}.` }, ...unread(summary)];
  const rows = groups.map(({ result, jobs, detail }): Cell[] => [
    status(result, TONES[result]),
    count(jobs),
    detail,
  ]);
  return [
    ...(others.length > 0
      ? [
          {
            title: 'Not done',
            table: { columns: ['queue', 'id', 'result', 'detail'], rows: others.map(line) },
          },
        ]
      : []),
    { title: `queue ${action}`, table: { columns: ['result', 'jobs', 'detail'], rows } },
    ...notes(summary, others.length),
  ];
}

function line({ queue, id, result, detail, in_doubt }: Other): Cell[] {
  const doubt = in_doubt ? '; the interrupted run may have done it' : '';
  return [queue, id, status(result, TONES[result]), `${detail}${doubt}`];
}

function notes(summary: SummaryResult, shown: number): Block[] {
  const { counts, total, took_ms, in_doubt, journal, resume } = summary;
  const ended = RESULTS.reduce((sum, result) => sum + counts[result], 0);
  const others = ended - counts.done;
  return [
    {
      note: `${countText(counts.done)} of ${countText(total)} done in ${ms(took_ms).text}.`,
      tone: counts.done === total ? 'ok' : 'warn',
    },
    ...(others > shown
      ? [
          {
            note: `${countText(others)} were not done, ${countText(shown)} are shown; all: ${journal}`,
          },
        ]
      : []),
    ...(in_doubt > 0
      ? [
          {
            note: `Of these an interrupted run had begun with ${countText(in_doubt)}: it may have done them, or somebody else has.`,
            tone: 'warn' as const,
          },
        ]
      : []),
    ...unread(summary),
    ...(resume
      ? [
          {
            note: `${countText(total - ended)} are left. To go on: ${resume}`,
            tone: 'warn' as const,
          },
        ]
      : []),
  ];
}

export function renderImpact(result: ImpactResult): Block[] {
  const { action, jobs, what, queues, missing } = result;
  const rows = queues.flatMap(({ queue, source, outcomes }) =>
    outcomes.map((group): Cell[] => [
      queue,
      source,
      count(group.jobs),
      status(group.result, TONES[group.result]),
      group.becomes,
      group.example,
    ]),
  );
  const columns = ['queue', 'source', 'jobs', 'result', 'becomes', 'example'];
  return [
    ...(rows.length > 0 ? [{ table: { columns, rows, optional: ['source', 'example'] } }] : []),
    ...queues.flatMap(touched),
    ...(missing.length > 0
      ? [{ note: `In no queue: ${missing.join(', ')}`, tone: 'warn' as const }]
      : []),
    ...unread(result),
    {
      note: `queue ${action} would go over ${countText(jobs)} jobs: ${what}. Nothing was changed.`,
    },
  ];
}

function touched(queue: ImpactResult['queues'][number]): Block[] {
  const groups = [
    [['parent of a flow', 'parents of a flow'], queue.parents],
    [['child of a flow', 'children of a flow'], queue.children],
    [['job scheduler', 'job schedulers'], queue.schedulers],
  ] as const;
  const notes = groups
    .filter(([, { count }]) => count > 0)
    .map(([[one, several], { count, more, first }]): Block => {
      const kind = count === 1 ? one : several;
      const rest = count > first.length ? ', ...' : '';
      return {
        note: `${queue.queue} also has to do with ${more ? 'at least ' : ''}${countText(count)} ${kind}: ${first.join(', ')}${rest}`,
        tone: 'warn',
      };
    });
  return queue.read_only
    ? [...notes, { note: `${queue.queue} may only be read: ${queue.read_only}`, tone: 'critical' }]
    : notes;
}

function unread({ unreadable }: { unreadable: number }): Block[] {
  if (unreadable === 0) return [];
  return [
    {
      note: `${countText(unreadable)} skipped: ids in lists without a job, or jobs that cannot be read.`,
      tone: 'warn',
    },
  ];
}
