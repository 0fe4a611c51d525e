import { describe, expect, it } from 'vitest';
import { breakdownOf, databasesOf } from '../../src/memory/breakdown.js';
import { judge, type Subject } from '../../src/memory/findings.js';
import { policyMeaning } from '../../src/memory/policy.js';
import { memoryOf } from '../../src/redis/memory.js';

const MB = 1024 ** 2;
const WELL = {
  redis_version: '7.0.15',
  used_memory: 50 * MB,
  used_memory_rss: 55 * MB,
  used_memory_peak: 60 * MB,
  maxmemory: 256 * MB,
  maxmemory_policy: 'allkeys-lru',
  total_system_memory: 8_192 * MB,
  db0: 'keys=100,expires=100,avg_ttl=5000',
};

type Changes = Record<string, string | number>;

/** A Redis that is well, but for these fields of INFO and these figures. */
function subject(changes: Changes = {}, more: Partial<Subject> = {}): Subject {
  const info = Object.fromEntries(
    Object.entries({ ...WELL, ...changes }).map(([name, value]) => [name, String(value)]),
  );
  const reading = { info, stats: { figures: {}, databases: new Map() }, pubsub: 0, missing: [] };
  const databases = databasesOf(reading);
  const count = (field: 'keys' | 'no_ttl') => databases.reduce((sum, db) => sum + db[field], 0);
  const trend = { samples: 0, span_ms: 0, bytes_per_day: null, reason: 'too few samples' };
  return {
    target: 'main',
    roles: ['cache'],
    now: 0,
    role: 'master',
    version: info.redis_version ?? null,
    uptime_s: 1,
    memory: {
      ...memoryOf(info, {}),
      peak_bytes: null,
      maxmemory_bytes: Number(info.maxmemory),
      cgroup_bytes: null,
      host_bytes: Number(info.total_system_memory),
    },
    policy_meaning: '',
    evicted_keys: 0,
    expired_keys: 0,
    refused_writes: 0,
    keys: count('keys'),
    no_ttl: count('no_ttl'),
    breakdown: breakdownOf(reading),
    databases,
    trend: { ...trend, reaches_80: null, reaches_100: null },
    rate: null,
    missing: [],
    ...more,
  };
}

/** `metric status: mend` of all that is found. */
const found = (changes: Changes, more: Partial<Subject> = {}) =>
  judge(subject(changes, more)).map(({ metric, status, mend }) => `${metric} ${status}: ${mend}`);

const queue = { roles: ['queue'] } as const;
const no_ttl = { db0: 'keys=100,expires=0,avg_ttl=0' };

describe('what is abnormal, and the line that mends it', () => {
  it('is nothing in a Redis that is well', () => {
    expect(found({})).toEqual([]);
    expect(found({ maxmemory_policy: 'noeviction', ...no_ttl }, queue)).toEqual([]);
  });

  it.each<[string, Changes, Partial<Subject>, string[]]>([
    [
      'a queue over 80 %',
      { used_memory: 210 * MB, used_memory_rss: 220 * MB, maxmemory_policy: 'noeviction' },
      queue,
      ['memory warn: cache-ops memory bigkeys main'],
    ],
    [
      'a cache at its limit that evicts',
      { used_memory: 255 * MB, used_memory_rss: 260 * MB },
      {},
      [],
    ],
    ['no limit', { maxmemory: 0 }, {}, [`limit warn: CONFIG SET maxmemory ${6_144 * MB}`]],
    [
      'a limit over what the host has',
      { maxmemory: 9_000 * MB },
      {},
      [`limit warn: CONFIG SET maxmemory ${6_144 * MB}`],
    ],
    [
      'a queue that evicts',
      { maxmemory_policy: 'allkeys-lru' },
      queue,
      ['policy warn: CONFIG SET maxmemory-policy noeviction'],
    ],
    [
      'a queue that has evicted',
      { maxmemory_policy: 'noeviction' },
      { ...queue, evicted_keys: 3 },
      ['evictions warn: CONFIG SET maxmemory-policy noeviction'],
    ],
    [
      'a cache that evicts nothing',
      { maxmemory_policy: 'noeviction' },
      {},
      ['policy warn: CONFIG SET maxmemory-policy allkeys-lru'],
    ],
    [
      'keys without a time to live in a cache',
      { db0: 'keys=100,expires=60,avg_ttl=0' },
      {},
      ['no_ttl warn: cache-ops memory bigkeys main'],
    ],
    [
      'a policy that has nothing to evict',
      { maxmemory_policy: 'volatile-ttl', ...no_ttl },
      {},
      [
        'no_ttl warn: cache-ops memory bigkeys main',
        'policy warn: CONFIG SET maxmemory-policy allkeys-lru',
      ],
    ],
    [
      'writes that were refused',
      {},
      { refused_writes: 5 },
      ['refused_writes warn: CONFIG SET maxmemory-policy allkeys-lru'],
    ],
    ['fragmentation of 99 MB', { used_memory: 99 * MB, mem_fragmentation_ratio: 3 }, {}, ['skip']],
    [
      'holes between keys',
      {
        used_memory: 120 * MB,
        used_memory_rss: 200 * MB,
        mem_fragmentation_ratio: 1.6,
        allocator_frag_ratio: 1.6,
      },
      {},
      [expect.stringMatching(/^fragmentation warn: CONFIG SET activedefrag yes/)],
    ],
    [
      'pages that the allocator keeps',
      {
        used_memory: 120 * MB,
        used_memory_rss: 300 * MB,
        mem_fragmentation_ratio: 2.5,
        allocator_rss_ratio: 2,
      },
      {},
      ['fragmentation critical: MEMORY PURGE'],
    ],
    [
      'memory that is swapped out',
      { used_memory: 200 * MB, used_memory_rss: 90 * MB, mem_fragmentation_ratio: 0.45 },
      {},
      [`swap warn: CONFIG SET maxmemory ${90 * MB}`],
    ],
    [
      'clients with large buffers',
      { mem_clients_normal: 12 * MB },
      {},
      ['client_buffers warn: CONFIG SET maxmemory-clients 5%'],
    ],
    [
      'the same before Redis 7',
      { mem_clients_normal: 12 * MB, redis_version: '6.2.1' },
      {},
      [expect.stringMatching(/client-output-buffer-limit "normal/)],
    ],
    ['a buffer that is a small part', { mem_clients_normal: 4 * MB }, {}, []],
    [
      'a replica that lags behind',
      { mem_clients_slaves: 40 * MB },
      {},
      [expect.stringMatching(/^replica_buffers warn: .*"replica/)],
    ],
    [
      'a disk that cannot follow',
      { mem_aof_buffer: 30 * MB },
      {},
      ['aof_buffer warn: CONFIG SET no-appendfsync-on-rewrite yes'],
    ],
    [
      'scripts with their values in them',
      { number_of_cached_scripts: 5_000 },
      {},
      ['scripts warn: SCRIPT FLUSH ASYNC'],
    ],
  ])('%s', (_, changes, more, expected) => {
    expect(found(changes, more)).toEqual(expected[0] === 'skip' ? [] : expected);
  });

  it('knows what a control group allows the process', () => {
    const memory = { ...subject().memory, maxmemory_bytes: 256 * MB, cgroup_bytes: 60 * MB };
    expect(found({ used_memory_rss: 58 * MB }, { memory })).toEqual([
      `limit warn: CONFIG SET maxmemory ${45 * MB}`,
      'cgroup critical: MEMORY PURGE',
    ]);
  });

  it('warns of a limit that will be reached within a week, not of a cache that evicts', () => {
    const day = 86_400_000;
    const at = (days: number) => new Date(days * day).toISOString();
    const growing = (days: number) => ({
      ...subject().trend,
      bytes_per_day: 30 * MB,
      reaches_80: at(days),
      reaches_100: at(days + 2),
    });
    const kept = { maxmemory_policy: 'noeviction' };
    expect(judge(subject(kept, { ...queue, trend: growing(3) }))).toMatchObject([
      { metric: 'forecast', message: '80 % of 256 MB in 3d 0h at 30 MB a day' },
    ]);
    expect(judge(subject(kept, { ...queue, trend: growing(-1) }))).toMatchObject([
      { metric: 'forecast', message: '100 % of 256 MB in 1d 0h at 30 MB a day' },
    ]);
    expect(found(kept, { ...queue, trend: growing(8) })).toEqual([]);
    expect(found({}, { trend: growing(3) })).toEqual([]);
  });
});

describe('what the eviction policy means', () => {
  const meaning = (policy: string, more: object = {}) =>
    policyMeaning({ policy, maxmemory: 1, roles: ['cache'], keys: 10, no_ttl: 4, ...more });

  it.each<[string, object, RegExp]>([
    ['noeviction', {}, /^nothing is evicted and writes fail: a cache stops/],
    ['noeviction', queue, /right for jobs, of which none may be lost$/],
    ['noeviction', { roles: ['cache', 'queue'] }, /right for the jobs, while cache entries/],
    ['allkeys-lru', {}, /^any key is evicted, the longest unused first$/],
    ['allkeys-lfu', queue, /jobs are among them, and BullMQ needs noeviction/],
    ['volatile-ttl', {}, /the soonest to expire first: 6 of 10 keys \(60 %\) have one; once/],
    ['volatile-lru', { no_ttl: 0 }, /: all 10 keys have one$/],
    ['volatile-lru', { no_ttl: 10 }, /none of the 10 keys has one, so nothing is evicted/],
    ['volatile-lru', { keys: null, no_ttl: null }, /first$/],
    ['allkeys-lru', { maxmemory: 0 }, /no limit is set, so allkeys-lru never applies/],
    ['newest-first', {}, /not known here/],
  ])('%s %j', (policy, more, expected) => {
    expect(meaning(policy, more)).toMatch(expected);
  });

  it('is not guessed where the server does not say it', () => {
    const unsaid = { policy: null, maxmemory: null, roles: ['cache'], keys: null, no_ttl: null };
    expect(policyMeaning({ ...unsaid, roles: ['cache'] })).toMatch(/does not say/);
  });
});
