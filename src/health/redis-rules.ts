import { isFullByDesign } from '../redis/memory.js';
import { bytesText, percentText, spanText } from '../words.js';
import type { Figures } from './metrics.js';
import type { Rule } from './rule.js';

type Redis = Figures['redis'];

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const ABOVE = { kind: 'redis', worse: 'above', clear: null, for: 0, keep: 0 } as const;

/** From this many look-ups on a hit rate is judged: a handful says nothing. */
const LEAST_LOOKUPS = 1_000;
/** An idle server shows high ratios: fragmentation is judged from this much memory on. */
export const FRAGMENTED_BYTES = 100 * 1024 ** 2;

/** The limits of the runbooks for a Redis, and what they say to do. */
export const REDIS_RULES: readonly Rule<'redis'>[] = [
  {
    ...ABOVE,
    name: 'memory',
    metric: 'memory.used_ratio',
    warn: 0.8,
    critical: 0.9,
    clear: 0.75,
    for: 2 * MINUTE,
    action: 'find what takes it: cache-ops memory, cache-ops memory bigkeys; then raise maxmemory',
    // A cache that evicts sits at its limit and is well.
    applies: ({ memory, roles }) => !isFullByDesign(memory, roles),
    say: ({ memory }, ratio) => `memory at ${percentText(ratio)} of ${limitText(memory)}`,
  },
  {
    ...ABOVE,
    name: 'forecast',
    metric: 'memory.forecast_ratio',
    warn: 1,
    critical: null,
    clear: 0.95,
    for: 10 * MINUTE,
    action: 'raise maxmemory, or stop what grows: cache-ops memory bigkeys, cache-ops keys ttl',
    applies: ({ memory, roles }) => !isFullByDesign(memory, roles),
    say: ({ memory }, ratio) =>
      `memory at ${percentText(memory.ratio ?? 0)}, and by the last hour at ${percentText(ratio)} in 24 h, of ${limitText(memory)}`,
  },
  {
    ...ABOVE,
    name: 'clients',
    metric: 'clients.connected',
    warn: 100,
    critical: null,
    clear: 90,
    for: 2 * MINUTE,
    action: 'see who they are (CLIENT LIST) and whether an application leaks connections',
    say: clientsText,
  },
  {
    ...ABOVE,
    name: 'clients_full',
    metric: 'clients.used_ratio',
    finding: 'clients',
    warn: null,
    critical: 0.9,
    clear: 0.8,
    for: MINUTE,
    action: 'close idle connections (CONFIG SET timeout 300) or raise maxclients',
    say: clientsText,
  },
  {
    ...ABOVE,
    name: 'operations',
    metric: 'operations.per_second',
    warn: 5_000,
    critical: null,
    clear: 4_000,
    for: 5 * MINUTE,
    action:
      'see what asks so much: INFO commandstats; is a cache bypassed, or a loop without a pause?',
    say: (_, rate) => `${Math.round(rate)} operations/s`,
  },
  {
    ...ABOVE,
    name: 'hit_rate',
    metric: 'hits.ratio',
    worse: 'below',
    warn: 0.5,
    critical: 0.2,
    clear: 0.55,
    for: 10 * MINUTE,
    action:
      'see whether keys are evicted or expire too early: cache-ops keys ttl, cache-ops memory',
    applies: ({ hit_rate }) => (hit_rate.sample_lookups ?? LEAST_LOOKUPS) >= LEAST_LOOKUPS,
    say: ({ hit_rate }, ratio) =>
      `hit rate ${percentText(ratio)} over ${hit_rate.sample_lookups} look-ups`,
  },
  {
    ...ABOVE,
    name: 'latency',
    metric: 'latency.p95_ms',
    warn: 50,
    critical: 200,
    clear: 40,
    for: 2 * MINUTE,
    action: 'cache-ops ping --count 100 tells the network from the server; then SLOWLOG GET 10',
    say: (_, p95) => `PING takes ${spanText(p95)} (p95)`,
  },
  {
    ...ABOVE,
    name: 'evictions',
    metric: 'evictions.keys',
    warn: 0,
    critical: null,
    for: 5 * MINUTE,
    keep: 10 * MINUTE,
    action: 'look at the hit rate; if it falls, raise maxmemory or shorten TTLs: cache-ops memory',
    applies: ({ roles }) => !roles.includes('queue'),
    say: (_, keys) => `${keys} keys were evicted in the sample`,
  },
  {
    ...ABOVE,
    name: 'jobs_evicted',
    metric: 'evictions.keys',
    finding: 'evictions',
    warn: null,
    critical: 0,
    keep: 10 * MINUTE,
    action: 'CONFIG SET maxmemory-policy noeviction and raise maxmemory; jobs may be gone for good',
    applies: ({ roles }) => roles.includes('queue'),
    say: (_, keys) => `${keys} keys were evicted from a Redis with queues: jobs may be lost`,
  },
  {
    ...ABOVE,
    name: 'rejected',
    metric: 'rejected.connections',
    warn: null,
    critical: 0,
    keep: 10 * MINUTE,
    action: 'raise maxclients, or find who opens so many: CLIENT LIST',
    say: (_, count) => `${count} connections were rejected`,
  },
  {
    ...ABOVE,
    name: 'fragmentation',
    metric: 'fragmentation.ratio',
    warn: 1.5,
    critical: 2,
    clear: 1.4,
    for: 30 * MINUTE,
    action: 'CONFIG SET activedefrag yes, or MEMORY PURGE; cache-ops memory says where it is',
    applies: ({ memory }) => (memory.used_bytes ?? 0) > FRAGMENTED_BYTES,
    say: (_, ratio) => `fragmentation ${ratio}: the system holds that many times the memory in use`,
  },
  {
    ...ABOVE,
    name: 'persistence',
    metric: 'persistence.failed',
    warn: null,
    critical: 0,
    action: 'look at its log and its disk (df -h); then BGSAVE or BGREWRITEAOF',
    say: ({ persistence }) =>
      persistence.aof === 'err'
        ? 'the last AOF write or rewrite failed'
        : 'the last RDB save failed',
  },
  {
    ...ABOVE,
    name: 'replication',
    metric: 'replication.link_down',
    warn: null,
    critical: 0,
    for: MINUTE,
    action: 'is the master up, and is the way to it open? cache-ops ping; then its log',
    say: () => 'the replica has lost its master',
  },
  {
    ...ABOVE,
    name: 'replication_lag',
    metric: 'replication.lag_ms',
    finding: 'replication',
    warn: 10 * SECOND,
    critical: MINUTE,
    clear: 5 * SECOND,
    for: MINUTE,
    action:
      'look at the network between them, and at the output buffer of the replica on its master',
    say: (_, lag) => `the replica last heard of its master ${lag / SECOND} s ago`,
  },
  {
    ...ABOVE,
    name: 'cluster',
    metric: 'cluster.failed',
    warn: null,
    critical: 0,
    action: 'CLUSTER NODES says which master has failed; start it, or fail over to its replica',
    say: () => 'the cluster is down',
  },
  {
    ...ABOVE,
    name: 'policy',
    metric: 'policy.evicts_jobs',
    warn: 0,
    critical: null,
    action: 'CONFIG SET maxmemory-policy noeviction, and CONFIG REWRITE',
    say: ({ memory }) =>
      `queues need maxmemory-policy noeviction, and it is ${memory.policy}: jobs may be evicted`,
  },
];

function limitText({ basis, limit_bytes, policy }: Redis['memory']): string {
  return `${basis} ${bytesText(limit_bytes ?? 0)}, policy ${policy ?? 'unknown'}`;
}

function clientsText({ clients: { connected, limit } }: Redis): string {
  return `${connected} clients${limit === null ? '' : ` of ${limit}`}`;
}
