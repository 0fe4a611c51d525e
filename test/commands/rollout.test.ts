import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configured } from '../health/estate.js';
import { command } from '../servers/command.js';
import { startRedis } from '../servers/redis.js';
import { type Env, serviceFor } from '../service/harness.js';

async function estateWith(env: Env, { aof = true } = {}) {
  const redis = await startRedis({ aof });
  onTestFinished(() => redis.stop());
  const all = { REDIS_URL: redis.url, ...env };
  const services = [await serviceFor(all, 'one'), await serviceFor(all, 'two')];
  const probe = {
    ...{ write: 'PUT /api/cache/{key}', read: 'GET /api/cache/{key}' },
    delete: 'DELETE /api/cache/{key}',
  };
  const applications = Object.fromEntries(
    services.map(({ url }, at) => [`app-${at}`, { health: `${url}/api/health`, probe }]),
  );
  const site = configured({
    ...{ environment: 'ci', redis: { main: redis.url }, keys: { prefix: 'test' }, applications },
  });
  const verify = async (stage: number, ...more: string[]) => {
    const { code, stdout } = await site.run([
      ...['rollout', 'verify', `${stage}`, '--yes', '--json', ...more],
    ]);
    const result = JSON.parse(stdout);
    const failed = result.checks.filter((check: { status: string }) => check.status === 'failed');
    return { code, result, failed };
  };
  const left = async () => (await command(redis.port, 'KEYS *cache-ops*')).trim();
  return { ...site, verify, left };
}

const OFF = { CACHE_TYPE: 'memory' };

it('stage 0: Redis is healthy and durable, and nobody uses it', async () => {
  const { verify } = await estateWith(OFF);
  const { code, result } = await verify(0);
  expect(code).toBe(0);
  expect(
    result.checks.map(({ check, status }: { check: string; status: string }) => [check, status]),
  ).toEqual([
    ['healthy', 'passed'],
    ['append-only file', 'passed'],
    ['data survives a restart', 'skipped'],
    ['in memory mode', 'passed'],
    ['in memory mode', 'passed'],
  ]);
  const early = await (await estateWith({ CACHE_TYPE: 'redis' }, { aof: false })).verify(0);
  expect(early.code).toBe(3);
  expect(early.failed.map(({ check }: { check: string }) => check)).toEqual([
    ...['append-only file', 'in memory mode', 'in memory mode'],
  ]);
});

describe('stage 0 with --restart', () => {
  /** A Redis that cache-ops may stop and start, used by nobody. */
  async function restartable({ aof = true, lossy = false } = {}) {
    const redis = await startRedis({ aof });
    onTestFinished(() => redis.stop());
    const { startCommand } = redis;
    const forget = `rm -rf $(dirname ${startCommand.split(' ')[1]})/appendonlydir; `;
    const start = lossy ? forget + startCommand : startCommand;
    const site = configured({
      environment: 'ci',
      redis: {
        main: { url: redis.url, control: { process: { pidFile: redis.pidFile, start } } },
      },
    });
    const verify = async (...more: string[]) => {
      const { code, stdout, stderr } = await site.run([
        ...['rollout', 'verify', '0', '--restart', '--json', ...more],
      ]);
      const result = stdout === '' ? undefined : JSON.parse(stdout);
      const restart = result?.checks?.find(
        ({ check }: { check: string }) => check === 'data survives a restart',
      );
      return { code, stderr, result, restart };
    };
    return { redis, verify, ...site };
  }

  it('restarts Redis by the drill, finds every key again, and keeps the report', async () => {
    const { redis, verify, run } = await restartable();
    await command(redis.port, 'SET mine 1');
    const before = redis.pid;
    const { code, restart } = await verify('--yes');
    expect(restart).toMatchObject({ status: 'passed' });
    expect(restart.detail).toMatch(/^120 keys written before are there after it, away for \d+ ms$/);
    expect([code, redis.pid === before]).toEqual([0, false]);
    expect((await command(redis.port, 'KEYS *')).trim()).toBe('*1\r\n$4\r\nmine');
    const { stdout } = await run(['drill', 'history', '--json']);
    expect(stdout).toContain('redis-restart-data');
  });

  it('fails where the data is lost', async () => {
    const { verify } = await restartable({ lossy: true });
    const { code, restart } = await verify('--yes');
    expect(code).toBe(3);
    expect(restart).toMatchObject({
      status: 'failed',
      detail: expect.stringMatching(/120 of 120 keys written before are not as they were/),
    });
  });

  it('does not restart a Redis that keeps nothing, or that is in use', async () => {
    const { redis, verify } = await restartable({ aof: false });
    const before = redis.pid;
    const { code, restart } = await verify('--yes');
    expect([code, restart.status]).toEqual([3, 'skipped']);
    const used = await estateWith({ CACHE_TYPE: 'redis' });
    const { result } = await used.verify(0, '--restart');
    expect(result.checks.at(-1)).toMatchObject({ status: 'skipped' });
    expect(redis.pid).toBe(before);
  });

  it('asks first, shows what it would do, and refuses what it cannot', async () => {
    const { redis, verify } = await restartable();
    const before = redis.pid;
    const preview = await verify('--dry-run');
    expect(preview.code).toBe(0);
    expect(preview.result).toMatchObject({ drill: 'redis-restart-data', persistence: 'AOF' });
    expect((await verify()).code).toBe(6);
    expect(redis.pid).toBe(before);
    const { run } = configured({ redis: { main: redis.url } });
    const uncontrolled = await run(['rollout', 'verify', '0', '--restart', '--yes']);
    expect(uncontrolled.code).not.toBe(0);
    expect(uncontrolled.stderr).toContain('control');
    for (const flags of [
      ['1', '--restart'],
      ['0', '--dry-run'],
    ])
      expect((await run(['rollout', 'verify', ...flags, '--yes'])).code).toBe(2);
    expect(redis.pid).toBe(before);
  });
});

it.each([
  [1, { ...OFF, REDIS_TASK_STATUS_ENABLED: '1' }],
  [2, { ...OFF, REDIS_CHAT_SESSION_ENABLED: '1' }],
  [3, { CACHE_TYPE: 'redis', REDIS_RATE_LIMIT_ENABLED: '1' }],
] as [number, Env][])(
  'stage %i: accepted with its switch, refused without, nothing left behind',
  async (stage, env) => {
    const on = await estateWith(env);
    const report = join(on.folder, 'stage.xml');
    const accepted = await on.verify(stage, '--junit', report);
    expect(accepted.failed).toEqual([]);
    expect(accepted.code).toBe(0);
    expect(accepted.result.checks.length).toBeGreaterThanOrEqual(8);
    expect(await on.left()).toBe('*0');
    expect(readFileSync(report, 'utf8')).toContain('<testsuite');
    const off = await estateWith(OFF);
    const refused = await off.verify(stage);
    expect(refused.code).toBe(3);
    expect(refused.failed.length).toBeGreaterThanOrEqual(4);
    expect(refused.result.way_back).toContain('restart');
    expect(await off.left()).toBe('*0');
  },
);

it.each([1, 2])(
  'stage %i: an application that does not tell users apart is found out',
  async (stage) => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    // It answers everybody with what anybody has written.
    let last = '{}';
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      if (body !== '') last = body;
      response.end(last);
    });
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const health = `http://127.0.0.1:${(server.address() as { port: number }).port}/health`;
    const { run } = configured({ redis: { main: redis.url }, applications: { leaky: { health } } });
    const { stdout } = await run(['rollout', 'verify', `${stage}`, '--yes', '--json']);
    const { checks } = JSON.parse(stdout) as { checks: { check: string; detail: string }[] };
    const found = checks.filter(({ check }) => /another user|no two users/.test(check));
    expect(found.length).toBe(stage === 1 ? 1 : 3);
    for (const { detail } of found) expect(detail).toBe('answered 200, expected 404');
  },
);

it('status shows the switches of every instance, and that they differ', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const one = await serviceFor({ REDIS_URL: redis.url, REDIS_TASK_STATUS_ENABLED: '1' }, 'one');
  const two = await serviceFor({ REDIS_URL: redis.url }, 'two');
  const { run } = configured({
    redis: { main: redis.url },
    applications: {
      one: { health: `${one.url}/api/health` },
      two: { health: `${two.url}/api/health` },
      away: { health: 'http://127.0.0.1:1/health' },
    },
  });
  const { stdout } = await run(['rollout', 'status', '--json'], {
    env: { REDIS_ENABLED: 'true', HOME: '/nowhere', XDG_STATE_HOME: '/nowhere' },
  });
  const result = JSON.parse(stdout);
  expect(result.agree).toBe(false);
  expect(result.environment[0]).toEqual({ switch: 'REDIS_ENABLED', value: 'true' });
  expect(result.applications).toMatchObject([
    {
      name: 'one',
      mode: 'redis',
      tasks: 'redis',
      queue: 'memory',
      switches: { REDIS_TASK_STATUS_ENABLED: true },
    },
    { name: 'two', tasks: 'memory', switches: { REDIS_TASK_STATUS_ENABLED: false } },
    { name: 'away', answers: false, switches: null },
  ]);
});
