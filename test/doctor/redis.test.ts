import { describe, expect, it, onTestFinished } from 'vitest';
import type { DoctorResult } from '../../src/doctor/result.js';
import { configured } from '../health/estate.js';
import { command } from '../servers/command.js';
import { type RedisOptions, startRedis } from '../servers/redis.js';

async function redisWith(options: RedisOptions) {
  const redis = await startRedis(options);
  onTestFinished(() => redis.stop());
  return redis;
}

async function audit(config: object, ...argv: string[]) {
  const { code, stdout, stderr } = await configured(config).run(['doctor', '--json', ...argv]);
  if (stdout === '') throw new Error(stderr);
  const result: DoctorResult = JSON.parse(stdout);
  const [server] = result.servers;
  const of = (metric: string) => server?.findings.find((finding) => finding.metric === metric);
  return { code, result, server, of, metrics: server?.findings.map(({ metric }) => metric) };
}

describe('doctor on Redis', () => {
  it('finds what is open, volatile and without a limit, each with a line that mends it', async () => {
    const redis = await redisWith({ config: ['bind *', 'protected-mode no', 'tcp-keepalive 0'] });
    const { code, of } = await audit({ redis: { main: { url: redis.url, roles: ['queue'] } } });
    expect(code).toBe(3);
    expect(of('password')?.mend).toMatch(/^CONFIG SET requirepass /);
    expect(of('protected_mode')).toMatchObject({
      status: 'critical',
      mend: 'CONFIG SET protected-mode yes',
    });
    expect(of('bind')?.mend).toMatch(/^CONFIG SET bind "127\.0\.0\.1/);
    expect(of('aof')).toMatchObject({ status: 'critical', mend: 'CONFIG SET appendonly yes' });
    expect(of('limit')?.mend).toMatch(/^CONFIG SET maxmemory \d+$/);
    expect(of('dangerous_commands')?.message).toContain('FLUSHALL');
    expect(of('tcp_keepalive')?.mend).toBe('CONFIG SET tcp-keepalive 300');
  });

  it('every line it gives is one that the server takes, and mends the finding', async () => {
    const redis = await redisWith({
      config: ['bind * -::*', 'protected-mode no', 'tcp-keepalive 0', 'slowlog-log-slower-than -1'],
    });
    const config = { redis: { main: { url: redis.url, roles: ['cache', 'queue'] } } };
    const { server } = await audit(config);
    const lines = (server?.findings ?? []).flatMap(({ mend }) =>
      mend && /^(CONFIG SET|ACL SETUSER default)/.test(mend) && !mend.includes('NEW_PASSWORD')
        ? mend.replace(/ {3}\(.*/, '')
        : [],
    );
    expect(lines.length).toBeGreaterThanOrEqual(7);
    for (const line of lines) expect(await command(redis.port, line)).toBe('+OK\r\n');
    const after = await audit(config);
    // What is left needs a password, or an upgrade.
    expect(after.metrics?.filter((metric) => metric !== 'version').sort()).toEqual(['password']);
  });

  it('a queue needs noeviction, a cache must not have it', async () => {
    const redis = await redisWith({ config: ['maxmemory 64mb', 'maxmemory-policy allkeys-lru'] });
    const queue = await audit({
      redis: { main: { url: redis.url, roles: ['cache'] } },
      queues: [{ engine: 'bullmq', redis: 'main' }],
    });
    expect(queue.of('policy')?.mend).toBe('CONFIG SET maxmemory-policy noeviction');
    await command(redis.port, 'CONFIG SET maxmemory-policy noeviction');
    const cache = await audit({ redis: { main: redis.url } });
    expect(cache.of('policy')?.mend).toBe('CONFIG SET maxmemory-policy allkeys-lru');
  });

  it('names keys without a time to live, but not those of queues', async () => {
    const redis = await redisWith({});
    await command(redis.port, 'SET app:forever 1');
    await command(redis.port, 'SET app:short 1 EX 100');
    await command(redis.port, 'SET bull:mail:1 1');
    const { of } = await audit({
      redis: { main: redis.url },
      queues: [{ engine: 'bullmq', redis: 'main' }],
    });
    expect(of('no_ttl')?.message).toMatch(/^1 of 2 keys .*app:forever$/);
  });

  it('what the user may not ask is unknown, with the right that is missing', async () => {
    const redis = await redisWith({
      users: ['default off', 'op on >a-password-of-20-chars ~* +ping +info +acl|whoami'],
    });
    const { server, of } = await audit({
      redis: { main: { url: redis.url, username: 'op', password: 'a-password-of-20-chars' } },
    });
    expect(server?.reachable).toBe(true);
    expect(of('rights')).toMatchObject({ status: 'unknown' });
    const lines = server?.findings.flatMap(({ mend }) => mend ?? []);
    expect(lines).toContain('ACL SETUSER op +config|get');
    expect(JSON.stringify(server)).not.toContain('a-password');
  });

  it('a sound server has no finding but its version', async () => {
    const redis = await redisWith({
      aof: true,
      users: [
        'default off',
        'app on >a-password-of-20-chars ~* &* +@all -@dangerous +info +config|get +acl|getuser +acl|whoami +acl|dryrun +client|list +client|info +role',
      ],
      config: ['save 3600 1', 'maxmemory 64mb', 'maxmemory-policy allkeys-lru'],
    });
    const { server, code } = await audit({
      redis: { main: { url: redis.url, username: 'app', password: 'a-password-of-20-chars' } },
    });
    expect(server?.findings.filter(({ metric }) => metric !== 'version')).toEqual([]);
    expect(code).toBe(0);
  });

  it('exits 5 when nobody can be asked, and writes nothing where somebody can', async () => {
    const redis = await redisWith({});
    const away = await audit({ redis: { main: 'redis://127.0.0.1:1' } });
    expect(away.code).toBe(5);
    const config = { redis: { main: redis.url } };
    await audit(config);
    const info = await command(redis.port, 'INFO');
    expect(info).toMatch(/rdb_changes_since_last_save:0/);
  });
});
