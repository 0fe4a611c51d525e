import type { Block, Cell, Figure } from '../../output/blocks.js';
import { count } from '../../output/format.js';
import { fullName, shortNames } from '../../queues/names.js';
import { age } from '../../words.js';
import type { JobsSummary } from './jobs.js';
import type { JobResult, Problem } from './result.js';

type Column = (job: JobResult, now: number, label: string | undefined) => Cell;

/** Every column and its cell, in the order of the table. */
const COLUMNS: Record<string, Column> = {
  id: ({ id }) => id,
  queue: ({ queue }, _, label) => ({ value: queue, text: label ?? queue }),
  state: (job) => stateCell(job),
  age: ({ finished_at, created_at }, now) => ageCell(finished_at ?? created_at, now),
  name: ({ name }) => name,
  attempts: ({ attempts_made }) => attempts_made,
  error: ({ error }) => errorCell(error),
  priority: ({ priority }) => priority,
  created: ({ created_at }) => created_at,
  due: ({ due_at }) => due_at,
  started: ({ started_at }) => started_at,
  finished: ({ finished_at }) => finished_at,
  problem: ({ problem }) => problem,
  engine: ({ engine }) => engine,
  scope: ({ scope }) => scope,
  source: ({ source }) => source,
};

/** What a narrow terminal may do without, the first one first. */
const OPTIONAL = [
  ...['problem', 'started', 'created', 'finished', 'source', 'engine', 'scope', 'due'],
  // Of several queues an id alone does not say which job it is.
  ...['priority', 'attempts', 'name', 'age', 'queue'],
];

export function renderJobs(jobs: readonly JobResult[], now: number): Block[] {
  const columns = Object.keys(COLUMNS);
  const labels = shortNames(jobs);
  const rows = jobs.map((job, index) =>
    columns.map((column) => COLUMNS[column]?.(job, now, labels[index])),
  );
  // The one queue that was asked for need not be named on each line.
  const one = new Set(jobs.map(fullName)).size === 1;
  return [{ table: { columns, rows, optional: one ? ['queue', ...OPTIONAL] : OPTIONAL } }];
}

export function renderSummary({ jobs, ghosts, corrupt, more, problems }: JobsSummary): Block[] {
  const parts = [
    jobs === 0 ? 'No job matches' : `${count(jobs).text} ${jobs === 1 ? 'job' : 'jobs'}`,
    ...(ghosts > 0 ? [`${ghosts} of them ghosts (an id in a list without a job)`] : []),
    ...(corrupt > 0 ? [`${corrupt} of them corrupt (cannot be read)`] : []),
    ...(more ? ['there are more: --limit 0 for all'] : []),
  ];
  return [{ note: `${parts.join('; ')}.` }, ...renderProblems(problems)];
}

export function renderProblems(problems: readonly Problem[]): Block[] {
  return problems.map(({ engine, source, scope, queue, problem }) => ({
    note: `${engine} on ${source}${queue === null ? '' : `, ${scope}:${queue}`}: unknown, ${problem}`,
    tone: 'unknown' as const,
  }));
}

function stateCell({ state, problem }: JobResult): Figure {
  if (problem) return { value: state, text: `${state} (${problem})`, tone: 'critical' };
  return state === 'failed'
    ? { value: state, text: state, tone: 'warn' }
    : { value: state, text: state };
}

/** How long ago, for a person; for a pipe the time itself. */
function ageCell(time: string | null, now: number): Cell {
  if (time === null) return null;
  return { value: time, text: age(Math.max(0, now - Date.parse(time)) / 1_000) };
}

const LONGEST = 120;

/** The message's first line, cut on a terminal. */
function errorCell(error: string | null): Cell {
  if (error === null) return null;
  const [line = ''] = error.split('\n', 1);
  const text = line.length > LONGEST ? `${line.slice(0, LONGEST - 3)}...` : line;
  return { value: error, text };
}
