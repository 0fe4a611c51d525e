import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { silentPort } from '../health/estate.js';
import { fingerprint } from '../queues/bullmq.js';
import { startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import { freePort } from '../servers/ports.js';
import { startRedis } from '../servers/redis.js';
import { startSentinel } from '../servers/sentinel.js';
import { makeCertificates } from '../servers/tls.js';
import { until } from '../servers/wait.js';
import { estate, redisWithClient, userFor } from './remembering.js';

const MB = 1024 ** 2;
const HOUR = 3_600_000;
const START = Date.parse('2026-01-01T00:00:00Z');

describe('the memory of one Redis', () => {
  it('says what is used, against what, and where the bytes are', async () => {
    const { url, client, port } = await redisWithClient({
      aof: true,
      config: ['maxmemory 100mb', 'maxmemory-policy allkeys-lru'],
    });
    await client.set('one', 'x'.repeat(5 * MB), 'EX', 1_000);
    await client.select(3);
    await client.set('two', '2');
    await client.call(
      'FUNCTION',
      'LOAD',
      "#!lua name=l\nredis.register_function('f', function() end)",
    );
    const { code, result, first } = await estate({ main: url }).memory();
    expect([code, result.servers.length, result.unwritable]).toEqual([0, 1, null]);
    expect(first).toMatchObject({
      target: 'main',
      address: `127.0.0.1:${port}`,
      reachable: true,
      role: 'master',
      version: '7.0.15',
      memory: {
        limit_bytes: 100 * MB,
        maxmemory_bytes: 100 * MB,
        basis: 'maxmemory',
        policy: 'allkeys-lru',
      },
      policy_meaning: 'any key is evicted, the longest unused first',
      keys: 2,
      no_ttl: 1,
      evicted_keys: 0,
      refused_writes: 0,
      databases: [
        { db: 0, keys: 1, expires: 1, no_ttl: 0, main_table_bytes: 72, expires_table_bytes: 56 },
        { db: 3, keys: 1, expires: 0, no_ttl: 1, avg_ttl_ms: null, main_table_bytes: 72 },
      ],
      missing: [],
    });
    const { memory, breakdown } = first;
    expect(memory?.used_bytes).toBeGreaterThan(5 * MB);
    expect(memory?.peak_bytes).toBeGreaterThanOrEqual(5 * MB);
    expect(memory?.ratio).toBeGreaterThan(0.05);
    expect(breakdown?.dataset_bytes).toBeGreaterThan(5 * MB);
    expect(breakdown?.dataset_bytes).toBeLessThan(7 * MB);
    expect(breakdown?.overhead_bytes).toBeGreaterThanOrEqual(breakdown?.startup_bytes ?? 0);
    expect(breakdown?.tables_bytes).toBe(200);
    expect(breakdown?.scripts).toMatchObject({ functions: 1, cached: 0 });
    expect(breakdown?.scripts.vm_bytes).toBeGreaterThan(0);
    expect(breakdown?.rss_bytes).toBeGreaterThan(5 * MB);
    expect(breakdown?.allocator.name).toMatch(/jemalloc|libc/);
    expect(breakdown?.fragmentation.ratio).toBeGreaterThan(0);
    expect(first.findings.map(({ metric }) => metric)).toEqual(['no_ttl']);
  });

  it('counts what clients, subscribers and refused writes cost', async () => {
    const { url, client, port } = await redisWithClient({ config: ['maxmemory 3mb'] });
    const listener = new Redis(port);
    onTestFinished(() => listener.disconnect());
    await listener.subscribe('news');
    await expect(
      (async () => {
        for (let index = 0; index < 50; index += 1)
          await client.set(`key:${index}`, 'x'.repeat(100_000), 'EX', 100);
      })(),
    ).rejects.toThrow('OOM');
    const { first, code } = await estate({ main: url }).memory();
    expect(first.breakdown?.clients.pubsub_bytes).toBeGreaterThan(1_000);
    expect(first.refused_writes).toBe(1);
    expect(first.findings).toContainEqual({
      metric: 'refused_writes',
      status: 'warn',
      message: '1 writes were refused for want of memory since it started',
      mend: 'CONFIG SET maxmemory-policy allkeys-lru',
    });
    // Full: over 90 %, and it evicts nothing.
    expect(code).toBe(3);
    expect(first.findings).toContainEqual(
      expect.objectContaining({
        metric: 'memory',
        status: 'critical',
        mend: 'cache-ops memory bigkeys main',
      }),
    );
  });

  it.each([
    ['the configured capacity', { capacity: '50mb' }, 'capacity', 50 * MB],
    ['the memory of its host', {}, 'host', expect.any(Number)],
  ])('without maxmemory measures against %s', async (_, config, basis, limit) => {
    const { url } = await redisWithClient();
    const { code, first } = await estate({ main: { url, ...config } }).memory();
    expect(first.memory).toMatchObject({ basis, limit_bytes: limit, maxmemory_bytes: 0 });
    expect(first.findings).toMatchObject([
      { metric: 'limit', mend: expect.stringMatching(/^CONFIG SET maxmemory \d+$/) },
    ]);
    expect([code, first.status]).toEqual([0, 'warn']);
    expect((await estate({ main: url }).memory(['--strict'])).code).toBe(3);
  });

  it('is reached by unix socket and by TLS', async () => {
    const certificates = makeCertificates();
    onTestFinished(() => certificates.remove());
    const { ca, server } = certificates;
    const plain = await redisWithClient({ unixSocket: true });
    const secure = await startRedis({ tls: { ...server, ca } });
    onTestFinished(() => secure.stop());
    const { servers, code } = await estate({
      socket: `unix://${plain.socketPath}`,
      secure: { url: secure.url, tls: { ca } },
    }).memory();
    expect(code).toBe(0);
    expect(servers.map(({ address, role }) => [address, role])).toEqual([
      [plain.socketPath, 'master'],
      [`127.0.0.1:${secure.port}`, 'master'],
    ]);
  });

  it('is not changed: no key, time to live or value', async () => {
    const { url, client, port } = await redisWithClient();
    await client.mset('a', '1', 'b', '2');
    await client.hset('h', { field: 'value' });
    await client.pexpire('a', 100_000);
    const before = await fingerprint(port);
    const { run } = estate({ main: url });
    expect((await run(['memory', '--sample', '20ms'])).code).toBe(0);
    expect(await fingerprint(port)).toEqual(before);
    expect(await command(port, 'INFO persistence')).toContain('rdb_changes_since_last_save:4');
  });
});

describe('missing rights', () => {
  it.each<[string, string[], object, string[]]>([
    [
      'INFO',
      ['+memory|stats', '+config|get'],
      {
        memory: { used_bytes: expect.any(Number), basis: 'maxmemory', policy: 'noeviction' },
        keys: 1,
        no_ttl: null,
      },
      ['INFO'],
    ],
    [
      'MEMORY',
      ['+info'],
      {
        keys: 1,
        no_ttl: 1,
        databases: [{ main_table_bytes: null }],
        breakdown: { tables_bytes: null },
      },
      ['MEMORY STATS'],
    ],
    [
      'everything',
      [],
      { memory: { used_bytes: null, ratio: null, basis: null }, keys: null, databases: [] },
      ['INFO', 'MEMORY STATS', 'CONFIG GET'],
    ],
  ])('without %s: what is known, and a word', async (_, rules, expected, missing) => {
    const { client, port } = await redisWithClient({ config: ['maxmemory 100mb'] });
    await client.set('a', '1');
    const url = await userFor(client, port, ...rules);
    const place = estate({ main: url });
    const { code, first } = await place.memory();
    expect(code).toBe(0);
    expect(first).toMatchObject(expected);
    expect(first.missing?.map(({ command: name }) => name)).toEqual(missing);
    const { stdout, stderr } = await place.run(['memory'], { tty: true });
    expect(stdout).toMatch(new RegExp(`${missing[0]} is not to be had: +NOPERM`));
    expect(stderr).toBe('');
  });

  it('calls memory unknown that cannot be read, and says which right it takes', async () => {
    const { client, port } = await redisWithClient();
    const { first } = await estate({ main: await userFor(client, port) }).memory();
    expect(first.findings).toEqual([
      {
        metric: 'memory',
        status: 'unknown',
        message: 'INFO says no memory',
        mend: 'ACL SETUSER NAME +info +memory|stats',
      },
    ]);
  });
});

describe('targets of several servers', () => {
  it('has the master and the replicas behind sentinels, and what a dead one leaves', async () => {
    const sentinel = await startSentinel({ config: ['maxmemory 100mb'] });
    onTestFinished(() => sentinel.stop());
    const nodes = sentinel.sentinels.map(({ host, port }) => `${host}:${port}`);
    const place = estate({ ha: { sentinel: { name: 'main', nodes }, roles: ['queue'] } });
    const { code, servers } = await place.memory();
    expect([code, servers.map(({ role }) => role)]).toEqual([0, ['master', 'replica']]);
    expect(servers[0]?.breakdown?.replication.backlog_bytes).toBeGreaterThan(0);
    expect(servers[0]?.policy_meaning).toMatch(/right for jobs/);
    sentinel.replica.kill('SIGKILL');
    const after = await place.memory();
    expect([after.code, after.servers.map(({ reachable }) => reachable)]).toEqual([
      3,
      [true, false],
    ]);
    expect(after.servers[1]?.findings[0]).toMatchObject({ metric: 'refused', status: 'critical' });
  });

  it('has every node of a cluster, and says which of them is dead', async () => {
    const { masters, stop } = await startCluster();
    onTestFinished(stop);
    const place = estate({ shards: { cluster: masters.map(({ port }) => `127.0.0.1:${port}`) } });
    const { code, servers } = await place.memory();
    expect([code, servers.length]).toEqual([0, 3]);
    expect(servers.every(({ breakdown }) => (breakdown?.cluster_links_bytes ?? 0) > 0)).toBe(true);
    masters[0]?.kill('SIGKILL');
    const after = await place.memory();
    expect(after.code).toBe(3);
    expect(after.servers.map(({ reachable }) => reachable).sort()).toEqual([false, true, true]);
  });

  it('that are dead, hang or refuse the password hide no others', async () => {
    const { url } = await redisWithClient();
    const locked = await startRedis({ password: 'right' });
    onTestFinished(() => locked.stop());
    const { code, servers, result } = await estate({
      one: url,
      dead: `redis://127.0.0.1:${await freePort()}`,
      hung: `redis://127.0.0.1:${await silentPort()}`,
      wrong: `redis://:s3cr3t@127.0.0.1:${locked.port}`,
    }).memory(['--timeout', '400ms']);
    expect(code).toBe(5);
    expect(servers.map(({ reachable, findings }) => [reachable, findings[0]?.metric])).toEqual([
      [true, 'limit'],
      [false, 'refused'],
      [false, 'hung'],
      [false, 'wrongpass'],
    ]);
    expect(result.status).toBe('critical');
    expect(JSON.stringify(result)).not.toContain('s3cr3t');
  });
});

describe('the trend', () => {
  it('grows from run to run into a forecast, and begins anew after a flush', async () => {
    const { url, client } = await redisWithClient({ config: ['maxmemory 100mb'] });
    const { memory, run } = estate({ main: { url, roles: ['queue'] } });
    let hour = 0;
    const look = () => memory([], { now: () => START + hour * HOUR });
    const trends = [];
    for (; hour < 5; hour += 1) {
      await client.setrange('log', (hour + 1) * 2 * MB, 'x');
      trends.push((await look()).first.trend);
    }
    expect(trends.map((trend) => trend?.samples)).toEqual([1, 2, 3, 4, 5]);
    expect(trends[2]?.reason).toMatch(/too few samples: 3 of 4/);
    const { bytes_per_day, span_ms, reaches_80, reaches_100, reason } = trends[4] ?? {};
    expect([span_ms, reason]).toEqual([4 * HOUR, null]);
    // 2 MB and what the allocator rounds up, an hour.
    expect(bytes_per_day).toBeGreaterThan(40 * MB);
    expect(bytes_per_day).toBeLessThan(70 * MB);
    const now = START + 4 * HOUR;
    expect(Date.parse(reaches_80 ?? '')).toBeGreaterThan(now + 24 * HOUR);
    expect(Date.parse(reaches_100 ?? '')).toBeGreaterThan(Date.parse(reaches_80 ?? ''));
    const { stdout } = await run(['memory'], { tty: true, columns: 200, now: () => now + 1 });
    expect(stdout).toMatch(/a day by 6 samples over 4h 0m: 80 % in 1d \d+h, 100 % in [12]d \d+h/);
    expect(stdout).toMatch(
      /warn: main .*: 80 % of 100 MB in 1d \d+h at .*\n {2}cache-ops memory bigkeys main/,
    );
    await client.flushall();
    expect((await look()).first.trend).toMatchObject({ samples: 1, bytes_per_day: null });
  });

  it('is a remark where the state folder cannot be written', async () => {
    const { url } = await redisWithClient();
    const { run, state } = estate({ main: url });
    // Also root cannot make a folder where a file is.
    mkdirSync(dirname(join(state, 'cache-ops')), { recursive: true });
    writeFileSync(join(state, 'cache-ops'), '');
    const { code, stdout, stderr } = await run(['memory', '--json']);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout).unwritable).toMatch(/cannot write/);
    expect((await run(['memory'])).stderr).toMatch(
      /the sample for the trend is not kept: cannot write/,
    );
  });

  it('--sample measures the rate now, against counters of that time', async () => {
    const { url, client } = await redisWithClient({ config: ['maxmemory 100mb'] });
    await client.set('gone', '1', 'PX', 1);
    await until(async () => (await client.exists('gone')) === 0);
    const looking = estate({ main: url }).memory(['--sample', '700ms']);
    await until(async () => /cmdstat_memory/.test(await client.info('commandstats')));
    for (let index = 0; index < 20; index += 1) await client.set(`k${index}`, 'x'.repeat(100_000));
    const { first, result } = await looking;
    expect(result.sample_ms).toBe(700);
    const { over_ms, bytes_per_s, keys_per_s, expired, evicted, reaches_100 } = first.rate ?? {};
    expect(over_ms).toBeGreaterThanOrEqual(700);
    expect(bytes_per_s).toBeGreaterThan(2_000_000 / ((over_ms ?? 0) / 1_000));
    expect(keys_per_s).toBeCloseTo(20_000 / (over_ms ?? 1), 0);
    expect([expired, evicted]).toEqual([0, 0]);
    expect(Date.parse(reaches_100 ?? '')).toBeGreaterThan(Date.now());
  });

  it('ends promptly when it is interrupted between two readings', async () => {
    const { url, client } = await redisWithClient();
    const controller = new AbortController();
    const looking = estate({ main: url }).run(['memory', '--sample', '1h'], {
      signal: controller.signal,
    });
    await until(async () => /cmdstat_memory/.test(await client.info('commandstats')));
    const began = performance.now();
    controller.abort(new Error('interrupted by SIGINT'));
    expect(await looking).toMatchObject({ code: 130, stdout: '' });
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe('the memory command', () => {
  it('fits terminals, and gives a pipe every figure', async () => {
    const { url, client } = await redisWithClient();
    await client.set('a', '1');
    const { run } = estate({ main: url, other: url });
    for (const columns of [120, 80, 40]) {
      const { stdout } = await run(['memory', '--no-color'], { tty: true, columns });
      const widest = Math.max(...stdout.split('\n').map((line) => line.length));
      // The line that mends may be longer: it is to be copied whole.
      expect(widest).toBeLessThanOrEqual(Math.max(columns, 44));
      expect(stdout).toContain('CONFIG SET maxmemory');
    }
    const { stdout, stderr } = await run(['memory', 'main']);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(lines.map((line) => [line[0], line[1], line.length])).toEqual([
      ['server', 'main', 36],
      ['database', 'main', 10],
    ]);
    expect(stderr).toMatch(/warn: main .*maxmemory is not set/);
  });

  it.each<[string[], RegExp]>([
    [['mian'], /named "mian"\n {2}hint: did you mean main\?/],
    [['capcity'], /named "capcity"\n {2}hint: did you mean capacity\?/],
    [
      ['capcity', '--item', 'a=1x1kb'],
      /unknown command 'capcity'\n {2}hint: Did you mean memory capacity\?/,
    ],
    [['--sampel', '3s'], /unknown option '--sampel'\n {2}hint: Did you mean --sample\?/],
    [['capacity', '--sample', '3s'], /unknown option '--sample'/],
    [['--sample', 'soon'], /--sample: "soon" is not a duration/],
    [['redis:/x'], /neither the name of a Redis nor a Redis URL/],
  ])('%j is a usage error', async (argv, message) => {
    const { code, stdout, stderr } = await estate({ main: 'redis://127.0.0.1:1' }).run([
      'memory',
      ...argv,
    ]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  it.each([[['memory', '--help']], [['help', 'memory']], [['memory', 'help']]])(
    '%j shows what it takes and its commands',
    async (argv) => {
      const { code, stdout } = await estate({}).run(argv);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Usage: cache-ops memory \[options\] \[command\] \[target...\]/);
      for (const text of ['--sample', 'capacity', 'key', 'Examples:'])
        expect(stdout).toContain(text);
    },
  );

  it('keeps its flags to itself: a subcommand has its own', async () => {
    const { stdout } = await estate({}).run(['memory', 'help', 'capacity']);
    expect(stdout).toContain('--from-live');
    expect(stdout).not.toContain('--sample');
  });

  it.each<[string[], string[]]>([
    [
      ['memory', ''],
      ['bigkeys', 'capacity', 'diff', 'help', 'key', 'main', 'other', 'reports', 'show'],
    ],
    [['memory', 'ma'], ['main']],
    [['memory', 'main', 'o'], ['other']],
    [
      ['memory', '--sa'],
      ['--sandbox', '--sample'],
    ],
    [['memory', 'capacity', '--sa'], ['--sandbox']],
    [['memory', 'capacity', 'o'], ['other']],
    [['memory', 'key', 'x', '--target', 'm'], ['main']],
  ])('completes %j', async (words, expected) => {
    const { run } = estate({ main: 'redis://127.0.0.1:1', other: 'redis://127.0.0.1:1' });
    const { stdout } = await run(['__complete', '--', ...words]);
    const values = stdout.split('\n').map((line) => line.split('\t')[0]);
    expect(values.filter(Boolean).sort()).toEqual([...expected].sort());
  });
});
