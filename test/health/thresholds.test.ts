import { describe, expect, it } from 'vitest';
import { figuresOf } from '../../src/health/figures.js';
import type { RedisFigures } from '../../src/health/result.js';
import { judgePostgres, judgeQueue, judgeRedis } from '../../src/health/thresholds.js';

const MB = 1024 ** 2;
const WELL = {
  role: 'master',
  redis_version: '7.0.15',
  used_memory: String(50 * MB),
  maxmemory: String(256 * MB),
  maxmemory_policy: 'noeviction',
  connected_clients: '10',
  maxclients: '1000',
  total_commands_processed: '1000',
  keyspace_hits: '5000',
  keyspace_misses: '100',
  evicted_keys: '0',
  rejected_connections: '0',
  aof_enabled: '1',
  aof_last_write_status: 'ok',
  rdb_last_bgsave_status: 'ok',
};

/** The figures of a Redis that is well, but for these fields of the second INFO. */
function figures(fields: Record<string, string>, more: Partial<RedisFigures> = {}): RedisFigures {
  const sample = { first: WELL, second: { ...WELL, ...fields }, ms: 1_000 };
  return {
    ...figuresOf(sample, {}),
    latency_ms: { p50: 0.2, p95: 0.5, max: 1 },
    slowlog: 0,
    cluster_state: null,
    ...more,
  };
}

/** What is found on a Redis with these fields, as `metric status`. */
function found(
  fields: Record<string, string>,
  roles: ('cache' | 'queue')[] = ['cache'],
  more: Partial<RedisFigures> = {},
): string[] {
  return judgeRedis(figures(fields, more), roles).map(
    ({ metric, status }) => `${metric} ${status}`,
  );
}

const slow = (p95: number) => ({ latency_ms: { p50: 1, p95, max: p95 } });

describe('the thresholds of the runbook', () => {
  it('has nothing to say about a Redis that is well', () => {
    expect(found({})).toEqual([]);
  });

  it.each<[string, Record<string, string>, string[]]>([
    ['memory at 80 %', { used_memory: String(204.8 * MB) }, []],
    ['memory over 80 %', { used_memory: String(206 * MB) }, ['memory warn']],
    ['memory over 90 %', { used_memory: String(231 * MB) }, ['memory critical']],
    ['100 clients', { connected_clients: '100' }, []],
    ['101 clients', { connected_clients: '101' }, ['clients warn']],
    ['clients over 90 % of the limit', { connected_clients: '901' }, ['clients critical']],
    ['5,000 operations/s', { total_commands_processed: '6000' }, []],
    ['over 5,000 operations/s', { total_commands_processed: '6001' }, ['operations warn']],
    ['a hit rate under 50 %', { keyspace_hits: '5490', keyspace_misses: '610' }, ['hit_rate warn']],
    [
      'a hit rate under 20 %',
      { keyspace_hits: '5100', keyspace_misses: '1000' },
      ['hit_rate critical'],
    ],
    ['a bad hit rate over few look-ups', { keyspace_misses: '1099' }, []],
    ['an eviction from a cache', { evicted_keys: '1' }, ['evictions warn']],
    ['a rejected connection', { rejected_connections: '1' }, ['rejected critical']],
    [
      'fragmentation of an idle Redis',
      { used_memory: String(2 * MB), mem_fragmentation_ratio: '7.6' },
      [],
    ],
    [
      'fragmentation over 1.5',
      { used_memory: String(101 * MB), mem_fragmentation_ratio: '1.6' },
      ['fragmentation warn'],
    ],
    [
      'fragmentation over 2',
      { used_memory: String(101 * MB), mem_fragmentation_ratio: '2.1' },
      ['fragmentation critical'],
    ],
    ['a failed AOF write', { aof_last_write_status: 'err' }, ['persistence critical']],
    ['a failed AOF rewrite', { aof_last_bgrewrite_status: 'err' }, ['persistence critical']],
    ['a failed save', { rdb_last_bgsave_status: 'err' }, ['persistence critical']],
    [
      'a replica without its master',
      { role: 'slave', master_link_status: 'down' },
      ['replication critical'],
    ],
    [
      'a replica that lags',
      { role: 'slave', master_link_status: 'up', master_last_io_seconds_ago: '11' },
      ['replication warn'],
    ],
  ])('%s', (_, fields, expected) => {
    expect(found(fields, ['cache'])).toEqual(expected);
  });

  it('judges latency by the 95th percentile: over 50 ms, over 200 ms', () => {
    expect(found({}, ['cache'], slow(50))).toEqual([]);
    expect(found({}, ['cache'], slow(51))).toEqual(['latency warn']);
    expect(found({}, ['cache'], slow(201))).toEqual(['latency critical']);
  });

  it('takes a full cache for what it is, and a full queue for what it is', () => {
    const full = { used_memory: String(256 * MB), maxmemory_policy: 'allkeys-lru' };
    expect(found(full, ['cache'])).toEqual([]);
    expect(found(full, ['cache', 'queue'])).toEqual(['memory critical', 'policy warn']);
    expect(found({ evicted_keys: '1' }, ['queue'])).toEqual(['evictions critical']);
  });

  it('does not count replication buffers, which evict nothing', () => {
    const { memory } = figures({
      used_memory: String(200 * MB),
      mem_not_counted_for_evict: String(72 * MB),
    });
    expect(memory.ratio).toBe(0.5);
  });

  it('names the basis of memory: its limit, the configured capacity, the host', () => {
    const basis = (fields: Record<string, string>, capacity?: number) =>
      figuresOf({ first: { ...WELL, ...fields }, second: undefined, ms: 1 }, { capacity }).memory;
    expect(basis({}, 100 * MB)).toMatchObject({ basis: 'maxmemory', limit_bytes: 256 * MB });
    expect(basis({ maxmemory: '0' }, 100 * MB)).toMatchObject({ basis: 'capacity', ratio: 0.5 });
    expect(basis({ maxmemory: '0', total_system_memory: String(500 * MB) })).toMatchObject({
      basis: 'host',
      ratio: 0.1,
    });
    expect(basis({ maxmemory: '0' })).toMatchObject({ basis: null, ratio: null });
  });

  it('calls missing memory unknown, and gives no rate where a counter went back', () => {
    expect(
      judgeRedis(
        { ...figures({}), ...figuresOf({ first: {}, second: {}, ms: 1 }, { capacity: 1 }) },
        ['cache'],
      ),
    ).toEqual([{ metric: 'memory', status: 'unknown', message: 'INFO says no memory' }]);
    const restarted = figures({ total_commands_processed: '3', keyspace_hits: '0' });
    expect(restarted.operations_per_s).toBeNull();
    expect(restarted.hit_rate.sample).toBeNull();
  });

  it('says of a fork what it says of itself', () => {
    expect(figures({ valkey_version: '8.1.0' }).version).toBe('valkey 8.1.0');
  });

  it('judges Postgres by its connections', () => {
    const line = (used: number | null) => ({
      target: 'main',
      address: '',
      status: 'ok' as const,
      findings: [],
      version: '15',
      latency_ms: 1,
      connections: { used, limit: 100 },
      pgboss: [],
      maintenance_age_ms: null,
      app_cache: null,
    });
    const statuses = [80, 81, 91, null].map((used) => judgePostgres(line(used))[0]?.status);
    expect(statuses).toEqual([undefined, 'warn', 'critical', 'unknown']);
  });

  it('judges a queue by who waits and who works', () => {
    const queue = {
      waiting: 3,
      active: 0,
      delayed: 0,
      blocked: 0,
      completed: 0,
      failed: 0,
      workers: 1,
      paused: false,
      oldest_waiting_ms: 60_000,
      failed_last_hour: 0,
      stalled: 0,
    };
    const messages = (more: Partial<typeof queue> & { workers?: number | null }) =>
      judgeQueue({ ...queue, ...more }).map(({ message }) => message);
    expect(messages({})).toEqual([]);
    expect(judgeQueue({ ...queue, waiting: null, failed: null })).toEqual([
      {
        metric: 'jobs',
        status: 'unknown',
        message: 'waiting, failed: how many there are cannot be read',
      },
    ]);
    expect(messages({ workers: null } as never)).toEqual([]);
    expect(messages({ workers: 0 })).toEqual(['3 jobs wait and no worker is connected']);
    expect(messages({ waiting: 0, workers: 0 })).toEqual([]);
    expect(messages({ paused: true, waiting: 1 })).toEqual(['paused, and 1 job waits']);
    expect(messages({ oldest_waiting_ms: 901_000 })).toEqual(['the oldest of 3 waits for 15m 1s']);
  });
});
