import type { ApplicationLine, PostgresLine, QueueLine, RedisFigures } from './result.js';

/** What is measured of each kind of target; a figure that is null could not be had. */
export interface Figures {
  redis: RedisFigures & {
    roles: readonly ('cache' | 'queue')[];
    /** Memory in 24 hours as a share of the limit, by the trend of the last hour. Undefined: not asked. */
    forecast_ratio?: number | null;
  };
  postgres: Pick<
    PostgresLine,
    'latency_ms' | 'connections' | 'maintenance_age_ms' | 'app_cache' | 'pgboss'
  >;
  queue: Pick<
    QueueLine,
    | 'waiting'
    | 'active'
    | 'delayed'
    | 'blocked'
    | 'completed'
    | 'failed'
    | 'oldest_waiting_ms'
    | 'paused'
    | 'workers'
    | 'failed_last_hour'
    | 'stalled'
  > & {
    /** How many finished jobs are kept, where they become more; 0 where not. Undefined: not asked. */
    retained_growing?: number | null;
  };
  application: Pick<ApplicationLine, 'mode' | 'latency_ms'>;
}
export type Kind = keyof Figures;
export const KINDS = ['redis', 'postgres', 'queue', 'application'] as const satisfies Kind[];

/** Ratios are of 1. */
export type Unit = 'ratio' | 'bytes' | 'ms' | 'count' | 'per_second' | 'flag';

interface MetricOf<K extends Kind> {
  kind: K;
  unit: Unit;
  help: string;
  /** It takes an earlier look, so that it is not known at the first one. */
  history?: true;
  /** Undefined where there is no such thing: a master has no lag. */
  of(figures: Figures[K]): number | null | undefined;
}
export type Metric = { [K in Kind]: MetricOf<K> }[Kind];

type Entry<K extends Kind> = [unit: Unit, help: string, of: MetricOf<K>['of'], history?: 'history'];

function define<K extends Kind, Name extends string>(
  kind: K,
  entries: Record<Name, Entry<K>>,
): Record<Name, MetricOf<K>> {
  return Object.fromEntries(
    Object.entries<Entry<K>>(entries).map(([name, [unit, help, of, history]]) => [
      name,
      { kind, unit, help, of, ...(history && { history: true }) },
    ]),
  ) as Record<Name, MetricOf<K>>;
}

const flag = (value: boolean | null): number | null => (value === null ? null : Number(value));

const redis = define('redis', {
  'memory.used_bytes': ['bytes', 'memory in use', ({ memory }) => memory.used_bytes],
  'memory.limit_bytes': [
    'bytes',
    'what it is measured against',
    ({ memory }) => memory.limit_bytes,
  ],
  'memory.used_ratio': ['ratio', 'memory that counts, of the limit', ({ memory }) => memory.ratio],
  'memory.forecast_ratio': [
    'ratio',
    'memory in 24 h by the trend of the last hour, of the limit',
    ({ forecast_ratio }) => forecast_ratio,
    'history',
  ],
  'clients.connected': [
    'count',
    'connections, ours among them',
    ({ clients }) => clients.connected,
  ],
  'clients.used_ratio': [
    'ratio',
    'connections, of maxclients',
    ({ clients: { connected, limit } }) => (connected !== null && limit ? connected / limit : null),
  ],
  'operations.per_second': [
    'per_second',
    'commands a second since the last look',
    ({ operations_per_s }) => operations_per_s,
    'history',
  ],
  'hits.ratio': [
    'ratio',
    'look-ups that found a key, since the last look',
    // Where nobody has looked anything up there is no rate.
    ({ hit_rate: { sample, sample_lookups } }) => (sample_lookups === 0 ? undefined : sample),
    'history',
  ],
  'hits.lookups': [
    'count',
    'look-ups since the last look',
    ({ hit_rate }) => hit_rate.sample_lookups,
    'history',
  ],
  'latency.p95_ms': [
    'ms',
    'PING over an open connection',
    ({ latency_ms }) => latency_ms?.p95 ?? null,
  ],
  'evictions.keys': [
    'count',
    'keys evicted since the last look',
    ({ evictions }) => evictions.sample,
    'history',
  ],
  'rejected.connections': [
    'count',
    'connections rejected since the last look',
    ({ rejected_connections }) => rejected_connections.sample,
    'history',
  ],
  'fragmentation.ratio': [
    'ratio',
    'memory that the system holds, of that in use',
    ({ fragmentation }) => fragmentation,
  ],
  'persistence.failed': [
    'flag',
    'the last AOF write, AOF rewrite or RDB save failed',
    ({ persistence: { aof, rdb } }) =>
      aof === null && rdb === null ? null : Number(aof === 'err' || rdb === 'err'),
  ],
  'policy.evicts_jobs': [
    'flag',
    'a Redis with queues that evicts keys at its limit',
    ({ roles, memory: { policy, basis } }) =>
      !roles.includes('queue') || basis !== 'maxmemory'
        ? undefined
        : flag(policy === null ? null : policy !== 'noeviction'),
  ],
  'replication.link_down': [
    'flag',
    'a replica that has lost its master',
    ({ role, replication }) =>
      role !== 'replica' ? undefined : replication.link && flag(replication.link === 'down'),
  ],
  'replication.lag_ms': [
    'ms',
    'since a replica last heard of its master',
    ({ role, replication: { link, lag_s } }) =>
      role !== 'replica' || link === 'down' ? undefined : lag_s === null ? null : lag_s * 1_000,
  ],
  'cluster.failed': [
    'flag',
    'the cluster is down',
    ({ cluster_state }) => (cluster_state === null ? undefined : flag(cluster_state !== 'ok')),
  ],
  'keys.count': ['count', 'keys of all databases', ({ keys }) => keys],
  'slowlog.entries': ['count', 'entries of the slow log', ({ slowlog }) => slowlog],
});

const postgres = define('postgres', {
  'postgres.latency_ms': ['ms', 'SELECT 1 over an open connection', (p) => p.latency_ms],
  'postgres.connections': ['count', 'connections', ({ connections }) => connections.used],
  'postgres.connections_ratio': [
    'ratio',
    'connections, of max_connections',
    ({ connections: { used, limit } }) => (used === null || !limit ? null : used / limit),
  ],
  'pgboss.maintenance_age_ms': [
    'ms',
    'since pg-boss last looked after its jobs, in the schema where it is longest ago',
    ({ pgboss, maintenance_age_ms }) => (pgboss.length === 0 ? undefined : maintenance_age_ms),
  ],
  'app_cache.expired_rows': [
    'count',
    'rows of app_cache that have expired and are still there, counted to 10,000',
    ({ app_cache }) => (app_cache === null ? undefined : app_cache.expired_rows),
  ],
  'app_cache.overdue_ms': [
    'ms',
    'since the oldest of them expired',
    ({ app_cache }) => (app_cache === null ? undefined : app_cache.overdue_ms),
  ],
});

const queue = define('queue', {
  'queue.waiting': ['count', 'jobs that wait', ({ waiting }) => waiting],
  'queue.active': ['count', 'jobs that are worked on', ({ active }) => active],
  'queue.delayed': ['count', 'jobs whose time is to come', ({ delayed }) => delayed],
  'queue.oldest_waiting_ms': [
    'ms',
    'since the oldest waiting job could have been taken',
    // While it is held back by a pause, the pause is what is wrong.
    ({ oldest_waiting_ms, waiting, paused }) =>
      paused ? undefined : waiting === 0 ? 0 : oldest_waiting_ms,
  ],
  'queue.failed_last_hour': ['count', 'jobs that failed within an hour', (q) => q.failed_last_hour],
  'queue.stalled': ['count', 'active jobs whose lock or time has expired', (q) => q.stalled],
  'queue.unserved': [
    'count',
    'jobs that wait while no worker is connected',
    ({ waiting, workers, paused }) =>
      paused || workers === null ? undefined : workers > 0 ? 0 : waiting,
  ],
  'queue.held': [
    'count',
    'jobs that wait in a paused queue',
    ({ waiting, paused }) => (paused === null ? undefined : paused ? waiting : 0),
  ],
  'queue.retained': [
    'count',
    'finished jobs that are kept',
    ({ completed, failed }) => (completed === null || failed === null ? null : completed + failed),
  ],
  'queue.retained_growing': [
    'count',
    'finished jobs that are kept, while they become more',
    ({ retained_growing }) => retained_growing,
    'history',
  ],
});

const application = define('application', {
  'application.memory_mode': [
    'flag',
    'it does without Redis',
    ({ mode }) => (mode === 'unknown' ? null : flag(mode === 'memory')),
  ],
  'application.latency_ms': ['ms', 'its health route', ({ latency_ms }) => latency_ms],
});

/** Every value that is measured, and that an expression may name. Times are in milliseconds. */
export const METRICS = { ...redis, ...postgres, ...queue, ...application };
export type MetricName = keyof typeof METRICS;

export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];

/** The value of a metric in figures of its own kind. */
export function measure(name: MetricName, figures: Figures[Kind]): number | null | undefined {
  return (METRICS[name] as MetricOf<Kind>).of(figures as never);
}
