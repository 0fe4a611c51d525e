import type { Block, Cell } from '../../output/blocks.js';
import { count, ms, status } from '../../output/format.js';
import { shortNames } from '../../queues/names.js';
import { age } from '../../words.js';
import type { LsResult } from './ls.js';

type Line = LsResult['queues'][number];

/** Every column and its cell, in the order of the table. */
const COLUMNS: Record<string, (queue: Line, label: string | undefined) => Cell> = {
  queue: ({ queue }, label) => ({ value: queue, text: label ?? queue }),
  waiting: ({ waiting }) => count(waiting),
  active: ({ active }) => count(active),
  delayed: ({ delayed }) => count(delayed),
  failed: ({ failed }) => count(failed, failed ? 'warn' : undefined),
  completed: ({ completed }) => count(completed),
  blocked: ({ blocked }) => count(blocked),
  oldest: ({ oldest_waiting_ms }) => ms(oldest_waiting_ms),
  paused: ({ paused }) =>
    paused === null ? null : paused ? status('paused', 'warn') : status('no', 'dim'),
  workers: ({ workers }) => count(workers),
  'done/s': ({ completed_per_s }) => count(completed_per_s),
  'failed/s': ({ failed_per_s }) => count(failed_per_s),
  engine: ({ engine }) => engine,
  scope: ({ scope }) => scope,
  source: ({ source }) => source,
};

/** What a narrow terminal may do without, the first one first. */
const OPTIONAL = [
  'source',
  'engine',
  'blocked',
  'scope',
  'completed',
  'paused',
  'workers',
  'delayed',
  'oldest',
  'active',
];

export function renderLs(result: LsResult, now: number): Block[] {
  const { queues, sources, sample_ms } = result;
  const dead = sources.filter(({ problem }) => problem !== null);
  const columns = Object.keys(COLUMNS).filter((name) => sample_ms !== null || !name.endsWith('/s'));
  const labels = shortNames(queues);
  const rows = [
    ...queues.map((queue, index) =>
      columns.map((column) => COLUMNS[column]?.(queue, labels[index])),
    ),
    // Nobody is to take a source that cannot be read for one without queues.
    ...dead.map((source) => columns.map((column) => unknownCell(source, column))),
  ];
  const note = memoryNote(sources, now);
  return [
    ...(rows.length > 0
      ? [{ table: { columns, rows, optional: OPTIONAL } }]
      : [{ note: 'There is no queue.' }]),
    ...dead.map(
      ({ engine, source, address, problem }): Block => ({
        note: `${engine} on ${source}${problem?.includes(address) ? '' : ` (${address})`}: unknown, ${problem}`,
        tone: 'unknown',
      }),
    ),
    ...(note ? [{ note, tone: 'dim' as const }] : []),
  ];
}

function unknownCell({ engine, source }: LsResult['sources'][number], column: string): Cell {
  if (column === 'queue') return { value: null, text: 'unknown', tone: 'unknown' };
  return column === 'engine' ? engine : column === 'source' ? source : null;
}

/** `queues found 3m 2s ago; --discover looks again`, where any of them is from memory. */
export function memoryNote(sources: LsResult['sources'], now: number): string | undefined {
  const times = sources.flatMap(({ remembered, found_at }) =>
    remembered && found_at !== null ? Date.parse(found_at) : [],
  );
  if (times.length === 0) return undefined;
  const seconds = Math.max(0, now - Math.min(...times)) / 1_000;
  return `queues found ${age(seconds)} ago; --discover looks again`;
}
