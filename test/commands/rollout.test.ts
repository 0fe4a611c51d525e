import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
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
    { name: 'one', mode: 'redis', tasks: 'redis', switches: { REDIS_TASK_STATUS_ENABLED: true } },
    { name: 'two', tasks: 'memory', switches: { REDIS_TASK_STATUS_ENABLED: false } },
    { name: 'away', answers: false, switches: null },
  ]);
});
