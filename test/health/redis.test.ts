import { describe, expect, it, onTestFinished } from 'vitest';
import { startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import { freePort } from '../servers/ports.js';
import { type RedisOptions, type RedisServer, startRedis } from '../servers/redis.js';
import { startSentinel } from '../servers/sentinel.js';
import { until } from '../servers/wait.js';
import { configured, silentPort } from './estate.js';

async function redisFor(options?: RedisOptions): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}

describe('health of Redis', () => {
  it('says what a Redis is, holds and does', async () => {
    const redis = await redisFor({
      aof: true,
      config: ['maxmemory 100mb', 'maxmemory-policy allkeys-lru'],
    });
    await command(redis.port, 'SET one 1');
    await command(redis.port, 'SELECT 3\r\nSET two 2');
    const { health } = configured({ redis: { main: redis.url } });
    const { code, result } = await health();
    expect(code).toBe(0);
    expect(result.redis[0]).toMatchObject({
      target: 'main',
      address: `127.0.0.1:${redis.port}`,
      status: 'ok',
      findings: [],
      role: 'master',
      version: '7.0.15',
      memory: { limit_bytes: 100 * 1024 ** 2, basis: 'maxmemory', policy: 'allkeys-lru' },
      clients: { connected: 1, limit: 10_000 },
      evictions: { sample: 0, since_boot: 0 },
      persistence: { aof: 'ok', rdb: 'ok' },
      replication: { replicas: 0, link: null },
      slowlog: 0,
      keys: 2,
    });
    const { latency_ms, memory, uptime_s } = result.redis[0] ?? {};
    expect(latency_ms?.p95).toBeGreaterThan(0);
    expect(memory?.ratio).toBeCloseTo((memory?.used_bytes ?? 0) / (100 * 1024 ** 2), 3);
    expect(uptime_s).toBeGreaterThanOrEqual(0);
  });

  it('measures rates over the sample, not since the server started', async () => {
    const redis = await redisFor();
    await command(redis.port, Array(50).fill('GET nothing').join('\r\n'));
    const { run } = configured({ redis: { main: redis.url } });
    const looking = run(['health', '--json', '--sample', '1s']);
    let stop = false;
    const traffic = (async () => {
      await command(redis.port, 'SET here 1');
      while (!stop) await command(redis.port, 'GET here');
    })();
    const { redis: lines } = JSON.parse((await looking).stdout);
    stop = true;
    await traffic;
    expect(lines[0].hit_rate.sample).toBe(1);
    expect(lines[0].hit_rate.since_boot).toBeLessThan(1);
    expect(lines[0].operations_per_s).toBeGreaterThan(10);
  });

  it('is critical over 90 % of memory, warns over 80 %, and --strict makes a warning count', async () => {
    const redis = await redisFor({ config: ['maxmemory 10mb', 'maxmemory-policy noeviction'] });
    await command(redis.port, `SETRANGE big ${7 * 1024 ** 2} x`);
    const { health } = configured({ redis: { main: redis.url } });
    const warned = await health();
    expect(warned.result.redis[0]?.findings).toMatchObject([{ metric: 'memory', status: 'warn' }]);
    expect([warned.code, warned.result.status]).toEqual([0, 'warn']);
    expect((await health('--strict')).code).toBe(3);
    await command(redis.port, `SETRANGE more ${1024 ** 2} x`);
    const { code, result } = await health();
    expect([code, result.status]).toEqual([3, 'critical']);
  });

  it('hides nothing behind targets that are dead, hang, or refuse the password', async () => {
    const [one, two] = await Promise.all([redisFor(), redisFor({ password: 'right' })]);
    const [dead, hung] = await Promise.all([freePort(), silentPort()]);
    const { run } = configured({
      redis: {
        one: one.url,
        two: two.url,
        dead: `redis://127.0.0.1:${dead}`,
        hung: `redis://127.0.0.1:${hung}`,
        wrong: `redis://:s3cr3t-wrong@127.0.0.1:${two.port}`,
      },
    });
    const { code, stdout, stderr } = await run([
      'health',
      '--json',
      '--sample',
      '50ms',
      '--timeout',
      '400ms',
    ]);
    const { redis } = JSON.parse(stdout);
    const seen = redis.map(
      (line: { target: string; status: string; findings: { metric: string }[] }) => [
        line.target,
        line.status,
        line.findings[0]?.metric,
      ],
    );
    expect(seen).toEqual([
      ['one', 'ok', undefined],
      ['two', 'ok', undefined],
      ['dead', 'critical', 'refused'],
      ['hung', 'critical', 'hung'],
      ['wrong', 'critical', 'wrongpass'],
    ]);
    expect(code).toBe(3);
    expect(stdout + stderr).not.toContain('s3cr3t-wrong');
  });

  it('waits for all that hang at once, not for one after the other', async () => {
    const ports = await Promise.all(Array.from({ length: 8 }, silentPort));
    const redis = Object.fromEntries(
      ports.map((port, index) => [`hung-${index}`, `redis://127.0.0.1:${port}`]),
    );
    const { result } = await configured({ redis }).health('--timeout', '500ms');
    expect(result.redis.map(({ status }) => status)).toEqual(Array(8).fill('critical'));
    // One after the other: 4 s at least.
    expect(result.took_ms).toBeLessThan(3_000);
  });

  it('calls unknown what the user may not see', async () => {
    const redis = await redisFor({ users: ['default off', 'shy on >pw ~* -@all +ping'] });
    const url = `redis://shy:pw@127.0.0.1:${redis.port}`;
    const { code, result } = await configured({ redis: { main: url } }).health();
    expect(result.redis[0]).toMatchObject({
      status: 'unknown',
      version: null,
      keys: null,
      slowlog: null,
      operations_per_s: null,
      findings: [{ metric: 'memory', status: 'unknown' }],
    });
    expect(code).toBe(0);
  });

  it('has a line for each node behind sentinels, and one for a replica that lost its master', async () => {
    const estate = await startSentinel();
    onTestFinished(() => estate.stop());
    const nodes = estate.sentinels.map(({ host, port }) => `${host}:${port}`);
    const { health } = configured({
      redis: {
        ha: { sentinel: { name: 'main', nodes } },
        copy: { url: estate.replica.url, replica: true },
      },
    });
    const { result } = await health('ha');
    expect(result.redis.map(({ role, status }) => [role, status])).toEqual([
      ['master', 'ok'],
      ['replica', 'ok'],
    ]);
    expect(result.redis[0]?.replication?.replicas).toBe(1);
    for (const watcher of estate.watchers) watcher.kill('SIGKILL');
    estate.master.kill('SIGKILL');
    await until(async () =>
      String(await command(estate.replica.port, 'INFO replication')).includes(
        'master_link_status:down',
      ),
    );
    const { code, result: after } = await health();
    expect(code).toBe(3);
    expect(after.redis.map(({ target, findings }) => [target, findings[0]?.metric])).toEqual([
      ['ha', 'refused'],
      ['copy', 'replication'],
    ]);
  });

  it('sees that a cluster is down when a master is', async () => {
    const { masters, stop } = await startCluster();
    onTestFinished(stop);
    const cluster = masters.map(({ port }) => `127.0.0.1:${port}`);
    const { health } = configured({ redis: { shards: { cluster } } });
    const { code, result } = await health();
    expect([code, result.redis.length]).toEqual([0, 3]);
    const [first, second] = masters as [RedisServer, RedisServer];
    first.kill('SIGKILL');
    await until(async () =>
      String(await command(second.port, 'CLUSTER INFO')).includes('cluster_state:fail'),
    );
    const { result: after } = await health();
    expect(after.redis.map(({ findings }) => findings.map(({ metric }) => metric)).sort()).toEqual([
      ['cluster'],
      ['cluster'],
      ['refused'],
    ]);
  });
});
