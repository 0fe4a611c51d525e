import type { Block, Cell, Figure } from '../../output/blocks.js';
import { bytes, count, ms } from '../../output/format.js';
import { shortNames } from '../../queues/names.js';
import { renderProblems } from './render-jobs.js';
import type { StatsResult } from './stats.js';

type Line = StatsResult['queues'][number];

/** Every column and its cell, in the order of the table. */
const COLUMNS: Record<string, (queue: Line, label: string | undefined) => Cell> = {
  queue: ({ queue }, label) => ({ value: queue, text: label ?? queue }),
  sampled: ({ sampled }) => count(sampled),
  'wait p50': ({ wait_ms }) => ms(wait_ms?.p50),
  'wait p95': ({ wait_ms }) => ms(wait_ms?.p95),
  'wait p99': ({ wait_ms }) => ms(wait_ms?.p99),
  'wait max': ({ wait_ms }) => ms(wait_ms?.max),
  'run p50': ({ run_ms }) => ms(run_ms?.p50),
  'run p95': ({ run_ms }) => ms(run_ms?.p95),
  'run p99': ({ run_ms }) => ms(run_ms?.p99),
  'run max': ({ run_ms }) => ms(run_ms?.max),
  '/min': ({ finished_per_minute }) => count(finished_per_minute),
  completed: ({ retained }) => count(retained.completed),
  failed: ({ retained }) => count(retained.failed, retained.failed > 0 ? 'warn' : undefined),
  cancelled: ({ retained }) => count(retained.cancelled),
  'a job': ({ memory }) => bytes(memory?.average_bytes),
  memory: ({ memory }) => bytes(memory?.retained_bytes),
  engine: ({ engine }) => engine,
  scope: ({ scope }) => scope,
  source: ({ source }) => source,
  'kept/h': ({ growth }) => signed(count, growth?.jobs_per_hour),
  'memory/h': ({ growth }) => signed(bytes, growth?.bytes_per_hour),
};

/** What a narrow terminal may do without, the first one first. */
const OPTIONAL = [
  ...['source', 'engine', 'scope', 'cancelled', 'wait max', 'run max', 'a job', 'wait p99'],
  ...['run p99', 'sampled', 'completed', '/min', 'memory/h', 'kept/h', 'memory', 'wait p50'],
  ...['run p50'],
];

/** A change with its sign: `+1,200`, `-3.0 KB`. */
function signed(format: (value: number) => Figure, change: number | null | undefined): Cell {
  if (change === null || change === undefined) return { value: null, text: '-', tone: 'dim' };
  const sign = { '1': '+', '-1': '-' }[Math.sign(change)] ?? '';
  return { value: change, text: `${sign}${format(Math.abs(change)).text}` };
}

export function renderStats({ queues, problems }: StatsResult): Block[] {
  if (queues.length === 0 && problems.length === 0) return [{ note: 'There is no queue.' }];
  const columns = Object.keys(COLUMNS);
  const grown = queues.some(({ growth }) => growth !== null);
  const optional = grown ? OPTIONAL : ['memory/h', 'kept/h', ...OPTIONAL];
  const labels = shortNames(queues);
  const rows = queues.map((queue, index) =>
    columns.map((column) => COLUMNS[column]?.(queue, labels[index])),
  );
  return [
    ...(rows.length > 0 ? [{ table: { columns, rows, optional } }] : []),
    ...since(queues),
    ...failures(queues, labels),
    ...renderProblems(problems),
  ];
}

/** Since when it has grown so; of queues that were measured at different times the longest ago. */
function since(queues: readonly Line[]): Block[] {
  if (queues.length === 0) return [];
  const spans = queues.flatMap(({ growth }) => growth?.over_ms ?? []);
  if (spans.length === 0) {
    return [
      {
        note: 'Growth needs an earlier queue stats, a minute old at least: there is none yet.',
        tone: 'dim',
      },
    ];
  }
  const [shortest, longest] = [Math.min(...spans), Math.max(...spans)].map((span) => ms(span).text);
  const span = shortest === longest ? longest : `${shortest} to ${longest}`;
  return [{ note: `kept/h and memory/h: growth over the last ${span}.`, tone: 'dim' }];
}

/** In a pipe these lines have another form: queue, failure, count, id, engine, scope, source. */
function failures(queues: readonly Line[], labels: readonly string[]): Block[] {
  const rows = queues.flatMap(({ queue, failures, engine, scope, source }, index) =>
    failures.map(({ shape, count: times, newest_id }) => [
      { value: queue, text: labels[index] ?? queue },
      shape,
      count(times),
      newest_id,
      engine,
      scope,
      source,
    ]),
  );
  if (rows.length === 0) return [];
  const columns = ['queue', 'failure', 'jobs', 'newest', 'engine', 'scope', 'source'];
  const optional = ['source', 'engine', 'scope', 'newest', 'queue'];
  return [{ table: { columns, rows, optional }, title: 'Reasons of failure' }];
}
