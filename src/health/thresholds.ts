import { isFullByDesign } from '../redis/memory.js';
import { bytesText, percentText, spanText } from '../words.js';
import { type Finding, over } from './finding.js';
import type { ApplicationLine, PostgresLine, QueueLine, RedisFigures } from './result.js';

/** The limits of the runbooks. Ratios are of 1, times in ms. */
export const LIMITS = {
  memory: { warn: 0.8, critical: 0.9 },
  clients: { warn: 100, criticalRatio: 0.9 },
  operations: { warn: 5_000 },
  /** Under these; judged from this many look-ups on, since a handful says nothing. */
  hitRate: { warn: 0.5, critical: 0.2, lookups: 1_000 },
  latency: { warn: 50, critical: 200 },
  /** An idle server shows high ratios: judged from this much memory on. */
  fragmentation: { warn: 1.5, critical: 2, bytes: 100 * 1024 ** 2 },
  replicationLag: { warn: 10 },
  connections: { warn: 0.8, critical: 0.9 },
  /** A batch takes under 15 minutes: a job that waits longer has no worker to spare. */
  waiting: { warn: 15 * 60_000 },
} as const;

type Role = 'cache' | 'queue';

export function judgeRedis(figures: RedisFigures, roles: readonly Role[]): Finding[] {
  return [
    ...judgeMemory(figures, roles),
    ...judgeLoad(figures),
    ...judgeEvictions(figures, roles),
    ...judgeDurability(figures),
  ];
}

/** The share of the limit, and what the system holds beyond what is in use. */
export function judgeMemory(
  { memory, fragmentation }: Pick<RedisFigures, 'memory' | 'fragmentation'>,
  roles: readonly Role[],
): Finding[] {
  const { used_bytes, limit_bytes, basis, ratio, policy } = memory;
  const findings: Finding[] = [];
  if (ratio === null) {
    const message = used_bytes === null ? 'INFO says no memory' : 'no memory limit is known';
    findings.push({ metric: 'memory', status: 'unknown', message });
  } else if (!isFullByDesign(memory, roles)) {
    const message = `memory at ${percentText(ratio)} of ${basis} ${bytesText(limit_bytes ?? 0)}, policy ${policy ?? 'unknown'}`;
    findings.push(...over('memory', ratio, LIMITS.memory, message));
  }
  if (used_bytes !== null && used_bytes > LIMITS.fragmentation.bytes) {
    const message = `fragmentation ${fragmentation}: the system holds that many times the memory in use`;
    findings.push(...over('fragmentation', fragmentation, LIMITS.fragmentation, message));
  }
  return findings;
}

function judgeLoad({ clients, operations_per_s, hit_rate, latency_ms, ...rest }: RedisFigures) {
  const findings: Finding[] = [];
  const { connected, limit } = clients;
  if (connected !== null) {
    const message = `${connected} clients${limit === null ? '' : ` of ${limit}`}`;
    const critical = limit === null ? undefined : limit * LIMITS.clients.criticalRatio;
    findings.push(
      ...over(
        'clients',
        connected,
        { warn: LIMITS.clients.warn, ...(critical && { critical }) },
        message,
      ),
    );
  }
  const rate = `${Math.round(operations_per_s ?? 0)} operations/s`;
  findings.push(...over('operations', operations_per_s, LIMITS.operations, rate));
  const { sample, sample_lookups } = hit_rate;
  if (sample !== null && (sample_lookups ?? 0) >= LIMITS.hitRate.lookups) {
    const { warn, critical } = LIMITS.hitRate;
    const status = sample < critical ? 'critical' : sample < warn ? 'warn' : undefined;
    const message = `hit rate ${percentText(sample)} over ${sample_lookups} look-ups`;
    if (status) findings.push({ metric: 'hit_rate', status, message });
  }
  const p95 = latency_ms?.p95 ?? null;
  findings.push(...over('latency', p95, LIMITS.latency, `PING takes ${spanText(p95 ?? 0)} (p95)`));
  const rejected = rest.rejected_connections.sample;
  findings.push(
    ...over('rejected', rejected, { critical: 0 }, `${rejected} connections were rejected`),
  );
  return findings;
}

function judgeEvictions({ evictions, memory }: RedisFigures, roles: readonly Role[]): Finding[] {
  const { sample } = evictions;
  if (!roles.includes('queue')) {
    return over('evictions', sample, { warn: 0 }, `${sample} keys were evicted in the sample`);
  }
  const policy: Finding[] =
    memory.policy !== null && memory.policy !== 'noeviction' && memory.basis === 'maxmemory'
      ? [
          {
            metric: 'policy',
            status: 'warn',
            message: `queues need maxmemory-policy noeviction, and it is ${memory.policy}: jobs may be evicted`,
          },
        ]
      : [];
  const message = `${sample} keys were evicted from a Redis with queues: jobs may be lost`;
  return [...policy, ...over('evictions', sample, { critical: 0 }, message)];
}

function judgeDurability({ persistence, replication, cluster_state, role }: RedisFigures) {
  const findings: Finding[] = [];
  if (persistence.aof === 'err')
    findings.push(critical('persistence', 'the last AOF write or rewrite failed'));
  if (persistence.rdb === 'err') findings.push(critical('persistence', 'the last RDB save failed'));
  if (role === 'replica' && replication.link === 'down')
    findings.push(critical('replication', 'the replica has lost its master'));
  findings.push(
    ...over(
      'replication',
      role === 'replica' ? replication.lag_s : null,
      LIMITS.replicationLag,
      `the replica last heard of its master ${replication.lag_s} s ago`,
    ),
  );
  if (cluster_state === 'fail') findings.push(critical('cluster', 'the cluster is down'));
  return findings;
}

export function judgePostgres({ latency_ms, connections }: PostgresLine): Finding[] {
  const { used, limit } = connections;
  const share = used === null || !limit ? null : used / limit;
  const unknown: Finding[] =
    share === null
      ? [{ metric: 'connections', status: 'unknown', message: 'connections cannot be read' }]
      : [];
  return [
    ...unknown,
    ...over('connections', share, LIMITS.connections, `${used} of ${limit} connections`),
    ...over('latency', latency_ms, LIMITS.latency, `a query takes ${spanText(latency_ms ?? 0)}`),
  ];
}

type Queue = Pick<QueueLine, 'waiting' | 'workers' | 'paused' | 'oldest_waiting_ms'>;

export function judgeQueue({ waiting, workers, paused, oldest_waiting_ms }: Queue): Finding[] {
  if (!waiting) return [];
  const jobs = `${waiting} ${waiting === 1 ? 'job waits' : 'jobs wait'}`;
  if (paused) return [{ metric: 'paused', status: 'warn', message: `paused, and ${jobs}` }];
  const workerless: Finding[] =
    workers === 0
      ? [{ metric: 'workers', status: 'warn', message: `${jobs} and no worker is connected` }]
      : [];
  const message = `the oldest of ${waiting} waits for ${spanText(oldest_waiting_ms ?? 0)}`;
  return [...workerless, ...over('oldest_waiting', oldest_waiting_ms, LIMITS.waiting, message)];
}

export function judgeMode({ mode }: Pick<ApplicationLine, 'mode'>): Finding[] {
  return mode === 'memory'
    ? [{ metric: 'mode', status: 'warn', message: 'in memory mode: it does without Redis' }]
    : [];
}

function critical(metric: string, message: string): Finding {
  return { metric, status: 'critical', message };
}
