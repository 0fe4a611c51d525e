import type { Query } from '../../postgres/client.js';
import type { QueueRef } from '../queue.js';
import { shapeOf } from '../shape.js';
import type { Percentiles, QueueStats } from '../stats.js';
import type { Dialect } from './dialect.js';
import { errorOf } from './rows.js';

interface Finished {
  id: string;
  failed: boolean;
  output: unknown;
  at: number;
  wait: number | null;
  run: number | null;
  bytes: number;
}

/** A queue in depth: its newest finished jobs, those in the archive (pg-boss 9 and 10) among them. */
export async function statsOf(
  query: Query,
  d: Dialect,
  ref: QueueRef,
  sample: number,
): Promise<QueueStats> {
  const jobs = await newest(query, d, ref.queue, sample);
  const retained = await retainedOf(query, d, ref.queue);
  const average = jobs.reduce((sum, { bytes }) => sum + bytes, 0) / jobs.length;
  const kept = retained.completed + retained.failed + retained.cancelled;
  return {
    ...ref,
    sampled: jobs.length,
    wait_ms: percentiles(jobs.flatMap(({ wait }) => wait ?? [])),
    run_ms: percentiles(jobs.flatMap(({ run }) => run ?? [])),
    finished_per_minute: rate(jobs),
    failures: failuresOf(jobs),
    retained,
    memory:
      jobs.length > 0
        ? { average_bytes: Math.round(average), retained_bytes: Math.round(average * kept) }
        : null,
  };
}

async function newest(query: Query, d: Dialect, queue: string, sample: number) {
  const millis = (interval: string) => `(extract(epoch FROM ${interval}) * 1000)::float8`;
  const from = (table: 'job' | 'archive') => {
    const [ended, started, due] = ['completed_on', 'started_on', 'start_after'].map((name) =>
      d.job(name, 'j'),
    );
    // Only a finished job has an end; a retry of pg-boss 10 or 11 leaves it on one that waits.
    return `(SELECT j.id::text AS id, j.state::text IN ('failed', 'expired') AS failed,
        CASE WHEN j.state::text = 'completed' THEN NULL ELSE ${d.job('output', 'j')} END AS output,
        ${millis(`${ended}`)} AS at, ${millis(`${started} - ${due}`)} AS wait,
        ${millis(`${ended} - ${started}`)} AS run, pg_column_size(j.*)::float8 AS bytes
      FROM ${d.table(table)} j
      WHERE j.name = $1 AND j.state::text IN ('completed', 'failed', 'expired') AND ${ended} IS NOT NULL
      ORDER BY ${ended} DESC LIMIT $2)`;
  };
  const parts = d.has('archive') ? `${from('job')} UNION ALL ${from('archive')}` : from('job');
  const rows = await query<Finished & Record<string, unknown>>(
    `SELECT * FROM (${parts}) newest ORDER BY at DESC LIMIT $2`,
    [queue, sample],
  );
  const positive = (value: number | null) => (value === null ? null : Math.max(0, value));
  return rows.map((row) => ({ ...row, wait: positive(row.wait), run: positive(row.run) }));
}

async function retainedOf(
  query: Query,
  d: Dialect,
  queue: string,
): Promise<QueueStats['retained']> {
  const from = (table: 'job' | 'archive') =>
    `SELECT state::text AS state FROM ${d.table(table)} WHERE name = $1`;
  const parts = d.has('archive') ? `${from('job')} UNION ALL ${from('archive')}` : from('job');
  const count = (states: string) => `count(*) FILTER (WHERE state IN (${states}))::float8`;
  const [row] = await query<QueueStats['retained']>(
    `SELECT ${count("'completed'")} AS completed, ${count("'failed', 'expired'")} AS failed,
       ${count("'cancelled'")} AS cancelled FROM (${parts}) kept`,
    [queue],
  );
  return row ?? { completed: 0, failed: 0, cancelled: 0 };
}

/** Nearest rank: each of them is a value that has been seen. */
function percentiles(values: number[]): Percentiles | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number;
  return { count: sorted.length, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}

/** From the first to the last of the sample, the first being where the span begins. */
function rate(jobs: readonly Finished[]): number | null {
  const span = (jobs[0]?.at ?? 0) - (jobs.at(-1)?.at ?? 0);
  return jobs.length < 2 || span <= 0 ? null : ((jobs.length - 1) / span) * 60_000;
}

/** The jobs come newest first. */
function failuresOf(jobs: readonly Finished[]): QueueStats['failures'] {
  const shapes = new Map<string, QueueStats['failures'][number]>();
  for (const { id, failed, output } of jobs) {
    if (!failed) continue;
    const example = errorOf(output) ?? '';
    const shape = shapeOf(example);
    const group = shapes.get(shape) ?? { shape, count: 0, example, newest_id: id };
    group.count += 1;
    shapes.set(shape, group);
  }
  return [...shapes.values()].sort((a, b) => b.count - a.count);
}
