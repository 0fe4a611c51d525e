import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command } from '../servers/command.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { impostorForTest, NOBODY, ping, pingJson, redisForTest } from './pinging.js';

const QUICK = ['--timeout', '300ms'];

describe('a Redis that is fine', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis({ password: 'pass:wörd', unixSocket: true });
  });
  afterAll(() => redis.stop());

  it('has the time of each stage and the percentiles of the pings', async () => {
    const { code, result } = await pingJson({ main: redis.url }, ['--count', '200']);
    expect(code).toBe(0);
    expect(result).toMatchObject({
      ok: true,
      targets: [{ target: 'main', ok: true, reachable: true }],
    });
    const [target] = result.targets;
    expect(target?.address).toBe(`127.0.0.1:${redis.port}`);
    const [node] = target?.nodes ?? [];
    expect(node).toMatchObject({
      role: 'master',
      ok: true,
      status: 'ok',
      failed_stage: null,
      problem: null,
    });
    expect(Object.keys(node?.stages ?? {})).toEqual(['tcp', 'auth', 'ping']);
    const { count, p50, p95, p99, max } = node?.latency ?? expect.fail('no latency');
    expect(count).toBe(200);
    expect([p50, p95, p99, max].every((ms) => ms > 0)).toBe(true);
    expect([p50, p95, p99, max]).toEqual([p50, p95, p99, max].toSorted((a, b) => a - b));
  });

  it('pings five times where no count is given', async () => {
    const { nodes } = await pingJson({ main: redis.url });
    expect(nodes[0]?.latency?.count).toBe(5);
  });

  it('is reached by host name, with a stage more', async () => {
    const { code, nodes } = await pingJson({ main: redis.url.replace('127.0.0.1', 'localhost') });
    expect([code, Object.keys(nodes[0]?.stages ?? {})]).toEqual([
      0,
      ['dns', 'tcp', 'auth', 'ping'],
    ]);
  });

  it('is reached through its unix socket', async () => {
    const target = { url: `unix://${redis.socketPath}`, password: 'pass:wörd' };
    const { code, nodes } = await pingJson({ main: target });
    expect(code).toBe(0);
    expect(nodes[0]).toMatchObject({ address: redis.socketPath, role: 'master' });
  });

  it('is taken from the command line too', async () => {
    const { code, result } = await pingJson({ other: 'redis://127.0.0.1:1' }, [redis.url]);
    expect(code).toBe(0);
    expect(result.targets.map(({ target }) => target)).toEqual([`127.0.0.1:${redis.port}`]);
  });

  it('is not written to', async () => {
    const plain = await redisForTest();
    await ping({ main: plain.url }, ['--count', '20']);
    const stats = await command(plain.port, 'INFO persistence');
    expect(stats).toContain('rdb_changes_since_last_save:0');
    expect(await command(plain.port, 'DBSIZE')).toBe(':0\r\n');
  });
});

describe('several targets', () => {
  it('are looked at together: a dead one costs its own limit and hides nobody', async () => {
    const live = await Promise.all([redisForTest(), redisForTest(), redisForTest()]);
    const silent = await impostorForTest(() => {});
    const [a, b, c] = live.map(({ url }) => url);
    const { code, result, elapsed } = await pingJson({ a, silent: silent.url, b, c }, QUICK);
    expect(code).toBe(5);
    expect(elapsed).toBeLessThan(1_500);
    expect(result.ok).toBe(false);
    expect(result.targets.map(({ target, ok }) => [target, ok])).toEqual([
      ['a', true],
      ['silent', false],
      ['b', true],
      ['c', true],
    ]);
    for (const { target, nodes } of result.targets) {
      if (target !== 'silent')
        expect(nodes[0]).toMatchObject({ role: 'master', latency: { count: 5 } });
    }
  });

  it('one that cannot be reached counts more than one in a bad state', async () => {
    const replica = await redisForTest({ config: [`replicaof ${NOBODY.replace(':', ' ')}`] });
    const dead = `redis://${NOBODY}`;
    expect((await pingJson({ replica: replica.url, dead })).code).toBe(5);
  });

  it('also more than ten at once, without a warning of a leak', async () => {
    const redis = await redisForTest();
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const names = Array.from({ length: 15 }, (_, index) => [`r${index}`, redis.url]);
    const { code, nodes } = await pingJson(Object.fromEntries(names));
    process.off('warning', listen);
    expect([code, nodes.length, warnings]).toEqual([0, 15, []]);
  });
});

describe('many pings', () => {
  it('end promptly when the operator interrupts them', async () => {
    const redis = await redisForTest();
    const controller = new AbortController();
    const answer = ping({ main: redis.url }, ['--count', '1000000'], { signal: controller.signal });
    await until(async () =>
      /cmdstat_ping:calls=\d{3,}/.test(await command(redis.port, 'INFO commandstats')),
    );
    const began = performance.now();
    controller.abort(new Error('interrupted by SIGINT'));
    const { code, stdout } = await answer;
    expect([code, stdout]).toEqual([130, '']);
    expect(performance.now() - began).toBeLessThan(500);
  });

  it('end promptly also while a target hangs', async () => {
    const silent = await impostorForTest(() => {});
    const controller = new AbortController();
    const answer = ping({ main: silent.url }, [], { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('interrupted by SIGINT')), 100);
    const { code, elapsed } = await answer;
    expect(code).toBe(130);
    expect(elapsed).toBeLessThan(1_000);
  });

  it.each(['0', '-1', '2.5', 'many', '1000001'])(
    'a count of %s is a usage error',
    async (count) => {
      const { code, stdout, stderr } = await ping({}, [`--count=${count}`]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain('--count');
    },
  );
});
