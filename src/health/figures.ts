import { type Info, keysIn, numberIn as number, roleIn, versionIn } from '../redis/info.js';
import { memoryOf, type OtherLimits } from '../redis/memory.js';
import type { RedisFigures } from './result.js';

/** Two INFO replies of one server and the milliseconds between them; the second may be missing. */
export interface Sample {
  first: Info;
  second: Info | undefined;
  ms: number;
}

/** The figures that INFO alone gives. A field that is not there is null, never a guess. */
export function figuresOf(
  { first, second, ms }: Sample,
  limits: OtherLimits,
): Omit<RedisFigures, 'latency_ms' | 'slowlog' | 'cluster_state'> {
  const now = second ?? first;
  const delta = (field: string) => growth(first, second, field);
  const operations = delta('total_commands_processed');
  return {
    role: roleIn(now),
    version: versionIn(now),
    uptime_s: number(now, 'uptime_in_seconds'),
    memory: memoryOf(now, limits),
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
    keys: keysIn(now),
    run_id: now.run_id ?? null,
    counters: Object.fromEntries(
      COUNTERS.flatMap((field) => {
        const value = number(now, field);
        return value === null ? [] : [[field, value]];
      }),
    ),
  };
}

/**
 * What rates are made of, and others that CONFIG RESETSTAT sets back with them: one that is lower
 * than before gives a reset away where the others have already grown past what they were.
 */
const COUNTERS = [
  'total_commands_processed',
  'keyspace_hits',
  'keyspace_misses',
  'evicted_keys',
  'rejected_connections',
  'total_connections_received',
  'total_net_input_bytes',
  'total_net_output_bytes',
  'expired_keys',
  'total_error_replies',
];

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

/** How much a counter grew; null when it went back (a restart, CONFIG RESETSTAT) or is not there. */
function growth(first: Info, second: Info | undefined, field: string): number | null {
  const [from, to] = [number(first, field), second ? number(second, field) : null];
  return from === null || to === null || to < from ? null : to - from;
}

function linkOf(link: string | undefined): 'up' | 'down' | null {
  return link === 'up' || link === 'down' ? link : null;
}
