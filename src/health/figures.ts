import type { RedisFigures } from './result.js';

type Info = Record<string, string>;

/** Two INFO replies of one server and the milliseconds between them; the second may be missing. */
export interface Sample {
  first: Info;
  second: Info | undefined;
  ms: number;
}

/** The figures that INFO alone gives. A field that is not there is null, never a guess. */
export function figuresOf(
  { first, second, ms }: Sample,
  capacity: number | undefined,
): Omit<RedisFigures, 'latency_ms' | 'slowlog' | 'cluster_state'> {
  const now = second ?? first;
  const delta = (field: string) => growth(first, second, field);
  const operations = delta('total_commands_processed');
  return {
    role: roleOf(now.role ?? (now.redis_mode === 'sentinel' ? 'sentinel' : undefined)),
    // Valkey names Redis 7.2.4 for the sake of old clients, and its own version beside it.
    version: now.valkey_version ? `valkey ${now.valkey_version}` : (now.redis_version ?? null),
    uptime_s: number(now, 'uptime_in_seconds'),
    memory: memoryOf(now, capacity),
    clients: { connected: number(now, 'connected_clients'), limit: number(now, 'maxclients') },
    // Ours are among them: the INFO that ends the sample.
    operations_per_s:
      operations === null || ms <= 0 ? null : Math.round((operations * 10_000) / ms) / 10,
    hit_rate: hitRate(first, second),
    evictions: { sample: delta('evicted_keys'), since_boot: number(now, 'evicted_keys') },
    rejected_connections: {
      sample: delta('rejected_connections'),
      since_boot: number(now, 'rejected_connections'),
    },
    fragmentation: number(now, 'mem_fragmentation_ratio'),
    persistence: persistenceOf(now),
    replication: {
      replicas: number(now, 'connected_slaves'),
      link: linkOf(now.master_link_status),
      lag_s: number(now, 'master_last_io_seconds_ago'),
    },
    keys: keysOf(now),
  };
}

/** What memory is measured against: its own limit, else the configured capacity, else the host's memory. */
function memoryOf(info: Info, capacity: number | undefined): RedisFigures['memory'] {
  const used = number(info, 'used_memory');
  const own = number(info, 'maxmemory');
  const host = number(info, 'total_system_memory');
  const [limit, basis] = own
    ? ([own, 'maxmemory'] as const)
    : capacity
      ? ([capacity, 'capacity'] as const)
      : host
        ? ([host, 'host'] as const)
        : ([null, null] as const);
  // Replication and AOF buffers do not count towards eviction.
  const counted = used === null ? null : used - (number(info, 'mem_not_counted_for_evict') ?? 0);
  return {
    used_bytes: used,
    limit_bytes: limit,
    basis,
    ratio: counted === null || limit === null ? null : counted / limit,
    policy: info.maxmemory_policy ?? null,
  };
}

function hitRate(first: Info, second: Info | undefined): RedisFigures['hit_rate'] {
  const hits = growth(first, second, 'keyspace_hits');
  const misses = growth(first, second, 'keyspace_misses');
  const now = second ?? first;
  return {
    sample: ratio(hits, misses),
    sample_lookups: hits === null || misses === null ? null : hits + misses,
    since_boot: ratio(number(now, 'keyspace_hits'), number(now, 'keyspace_misses')),
  };
}

function ratio(hits: number | null, misses: number | null): number | null {
  return hits === null || misses === null || hits + misses === 0 ? null : hits / (hits + misses);
}

function persistenceOf(info: Info): RedisFigures['persistence'] {
  const saved = number(info, 'rdb_last_save_time');
  const clock = number(info, 'server_time_usec');
  return {
    aof:
      info.aof_enabled === undefined
        ? null
        : info.aof_enabled === '0'
          ? 'off'
          : okOrErr(info.aof_last_write_status, info.aof_last_bgrewrite_status),
    rdb: info.rdb_last_bgsave_status === undefined ? null : okOrErr(info.rdb_last_bgsave_status),
    last_save_age_s: saved && clock ? Math.max(0, Math.round(clock / 1e6 - saved)) : null,
  };
}

const okOrErr = (...states: (string | undefined)[]) =>
  states.every((state) => state === undefined || state === 'ok') ? 'ok' : 'err';

/** `db0:keys=3,expires=1,avg_ttl=0`, one line a database that has keys. */
function keysOf(info: Info): number | null {
  if (info.redis_version === undefined) return null;
  return Object.entries(info)
    .filter(([name]) => /^db\d+$/.test(name))
    .reduce((sum, [, text]) => sum + Number(/keys=(\d+)/.exec(text)?.[1] ?? 0), 0);
}

/** How much a counter grew; null when it went back (a restart, CONFIG RESETSTAT) or is not there. */
function growth(first: Info, second: Info | undefined, field: string): number | null {
  const [from, to] = [number(first, field), second ? number(second, field) : null];
  return from === null || to === null || to < from ? null : to - from;
}

function number(info: Info, field: string): number | null {
  const text = info[field];
  if (text === undefined || text === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

function roleOf(role: string | undefined): RedisFigures['role'] {
  if (role === 'slave') return 'replica';
  return role === 'master' || role === 'sentinel' ? role : null;
}

function linkOf(link: string | undefined): 'up' | 'down' | null {
  return link === 'up' || link === 'down' ? link : null;
}
