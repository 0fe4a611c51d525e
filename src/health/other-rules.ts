import { spanText } from '../words.js';
import type { Rule } from './rule.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ABOVE = { worse: 'above', clear: null, for: 0, keep: 0 } as const;

export const POSTGRES_RULES: readonly Rule<'postgres'>[] = [
  {
    ...ABOVE,
    kind: 'postgres',
    name: 'connections',
    metric: 'postgres.connections_ratio',
    warn: 0.8,
    critical: 0.9,
    clear: 0.75,
    for: 2 * MINUTE,
    action: 'see who they are (pg_stat_activity); shrink pools, or raise max_connections',
    say: ({ connections: { used, limit } }) => `${used} of ${limit} connections`,
  },
  {
    ...ABOVE,
    kind: 'postgres',
    name: 'latency',
    metric: 'postgres.latency_ms',
    warn: 50,
    critical: 200,
    clear: 40,
    for: 2 * MINUTE,
    action: 'look for locks and long queries in pg_stat_activity',
    say: (_, ms) => `a query takes ${spanText(ms)}`,
  },
  {
    ...ABOVE,
    kind: 'postgres',
    name: 'maintenance',
    metric: 'pgboss.maintenance_age_ms',
    warn: 30 * MINUTE,
    critical: 6 * HOUR,
    action:
      'is an application with pg-boss running, with supervise on? expired jobs stay active without',
    say: (_, ms) => `pg-boss last looked after its jobs ${spanText(ms)} ago`,
  },
  {
    ...ABOVE,
    kind: 'postgres',
    name: 'app_cache',
    metric: 'app_cache.overdue_ms',
    warn: 15 * MINUTE,
    critical: 24 * HOUR,
    clear: 5 * MINUTE,
    action:
      'is the cleaner of the application running? DELETE FROM app_cache WHERE expires_at < now()',
    say: ({ app_cache }, ms) =>
      `${rowsText(app_cache?.expired_rows ?? null)} of app_cache have expired, the oldest ${spanText(ms)} ago`,
  },
];

export const QUEUE_RULES: readonly Rule<'queue'>[] = [
  {
    ...ABOVE,
    kind: 'queue',
    name: 'paused',
    metric: 'queue.held',
    warn: 0,
    critical: null,
    for: 30 * MINUTE,
    action: 'find out who paused it and why; then cache-ops queue resume',
    say: (_, jobs) => `paused, and ${waits(jobs)}`,
  },
  {
    ...ABOVE,
    kind: 'queue',
    name: 'workers',
    metric: 'queue.unserved',
    warn: 0,
    critical: null,
    for: 5 * MINUTE,
    action: 'start a worker: was its deployment scaled to zero?',
    say: (_, jobs) => `${waits(jobs)} and no worker is connected`,
  },
  {
    ...ABOVE,
    kind: 'queue',
    name: 'oldest_waiting',
    metric: 'queue.oldest_waiting_ms',
    // A batch takes under 15 minutes: a job that waits longer has no worker to spare.
    warn: 15 * MINUTE,
    critical: 4 * HOUR,
    clear: 10 * MINUTE,
    action: 'start more workers, or see what the active jobs are busy with: cache-ops queue stats',
    say: ({ waiting }, ms) => `the oldest of ${waiting} waits for ${spanText(ms)}`,
  },
  {
    ...ABOVE,
    kind: 'queue',
    name: 'depth',
    metric: 'queue.waiting',
    warn: 1_000,
    critical: 10_000,
    clear: 800,
    for: 10 * MINUTE,
    action: 'start more workers; cache-ops queue stats says how long it will take',
    say: (_, jobs) => waits(jobs),
  },
  {
    ...ABOVE,
    kind: 'queue',
    name: 'failed',
    metric: 'queue.failed_last_hour',
    warn: 10,
    critical: 100,
    clear: 5,
    action: 'cache-ops queue stats says why they fail; mend it, then cache-ops queue retry',
    say: (_, jobs) => `${jobs} jobs failed within an hour`,
  },
  {
    ...ABOVE,
    kind: 'queue',
    name: 'stalled',
    metric: 'queue.stalled',
    warn: 0,
    critical: 10,
    for: 2 * MINUTE,
    action: 'a worker died or its event loop is blocked; another worker takes them up again',
    say: (_, jobs) => `${jobs} active jobs have lost their lock, or are beyond their time`,
  },
  {
    ...ABOVE,
    kind: 'queue',
    name: 'retained',
    metric: 'queue.retained_growing',
    warn: 10_000,
    critical: 100_000,
    action: 'set removeOnComplete and removeOnFail; cache-ops queue clean --older-than 7d',
    say: (_, jobs) => `${jobs} finished jobs are kept, and they become more`,
  },
];

export const APPLICATION_RULES: readonly Rule<'application'>[] = [
  {
    ...ABOVE,
    kind: 'application',
    name: 'mode',
    metric: 'application.memory_mode',
    warn: 0,
    critical: null,
    for: MINUTE,
    action: 'can it reach its Redis? cache-ops ping; then its log',
    say: () => 'in memory mode: it does without Redis',
  },
];

const waits = (jobs: number) => `${jobs} ${jobs === 1 ? 'job waits' : 'jobs wait'}`;

function rowsText(rows: number | null): string {
  return rows === null ? 'rows' : `${rows > 10_000 ? 'more than 10,000' : rows} rows`;
}
