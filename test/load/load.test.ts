import { describe, expect, it, onTestFinished } from 'vitest';
import type { LoadResult } from '../../src/commands/load.js';
import { configured } from '../health/estate.js';
import { command } from '../servers/command.js';
import { startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { serviceFor } from '../service/harness.js';

async function redisFor(config: string[] = []) {
  const redis = await startRedis({ config });
  onTestFinished(() => redis.stop());
  return redis;
}
const keysOf = async (port: number) => (await command(port, 'KEYS *load*')).trim();

describe('load', () => {
  it('puts the load of the runbook on Redis, gives percentiles and leaves nothing behind', async () => {
    const redis = await redisFor();
    const { run } = configured({ redis: { main: redis.url } });
    const { code, stdout } = await run(['load', '--yes', '--json']);
    const result: LoadResult = JSON.parse(stdout);
    expect(result.phases).toMatchObject([
      { phase: 'write', clients: 10, operations: 1_000, errors: 0 },
      { phase: 'read', clients: 50, operations: 10_000, errors: 0 },
    ]);
    for (const { latency } of result.phases) {
      expect(latency?.p50).toBeLessThanOrEqual(latency?.p99 ?? 0);
    }
    expect(code).toBe(result.ok ? 0 : 3);
    expect(await keysOf(redis.port)).toBe('*0');
  });

  it('goes through an application', async () => {
    const redis = await redisFor();
    const { url } = await serviceFor({ REDIS_URL: redis.url, CACHE_TYPE: 'redis' });
    const probe = {
      write: 'PUT /api/cache/{key}',
      read: 'GET /api/cache/{key}',
      delete: 'DELETE /api/cache/{key}',
    };
    const { run } = configured({
      redis: { main: redis.url },
      applications: { backend: { health: `${url}/api/health`, probe } },
    });
    const { stdout } = await run([
      'load',
      '--application',
      'backend',
      '--yes',
      '--json',
      '--reads',
      '2000',
    ]);
    const result: LoadResult = JSON.parse(stdout);
    expect(result.phases.map(({ errors }) => errors)).toEqual([0, 0]);
    expect(result.leftovers.keys).toBe(0);
    expect(await keysOf(redis.port)).toBe('*0');
  });

  it('removes its keys when it is interrupted', async () => {
    const redis = await redisFor();
    const { run } = configured({ redis: { main: redis.url } });
    const interrupt = new AbortController();
    const running = run(['load', '--yes', '--writes', '200000', '--size', '100'], {
      signal: interrupt.signal,
    });
    await until(async () => (await command(redis.port, 'DBSIZE')) > ':100\r\n');
    interrupt.abort(new Error('interrupted'));
    expect((await running).code).toBe(130);
    expect(await command(redis.port, 'DBSIZE')).toBe(':0\r\n');
  });

  it('exits 3 and says why when values do not come back', async () => {
    const { url } = await serviceFor({ CACHE_TYPE: 'memory' });
    const probe = { write: 'PUT /api/cache/{key}', read: 'GET /api/health?{key}' };
    const { run } = configured({
      applications: { backend: { health: `${url}/api/health`, probe } },
    });
    const { code, stderr } = await run([
      ...['load', '--application', 'backend', '--yes', '--writes', '5', '--reads', '5'],
    ]);
    expect(code).toBe(3);
    expect(stderr).toContain('read: 5 errors, the first: another value was read');
    expect(stderr).toContain('5 keys were not removed (probe.delete is not set)');
  });

  it('is refused where it would fill the memory', async () => {
    const redis = await redisFor(['maxmemory 3mb', 'maxmemory-policy allkeys-lru']);
    const { run } = configured({ redis: { main: { url: redis.url } } });
    const refused = await run(['load', '--yes', '--size', '10kb']);
    expect(refused.code).toBe(6);
    expect(refused.stderr).toContain('would take it over 80 %');
    expect(await command(redis.port, 'DBSIZE')).toBe(':0\r\n');
  });

  it('asks first, and says with --dry-run what it would do', async () => {
    const redis = await redisFor();
    const { run } = configured({ redis: { main: redis.url } });
    expect((await run(['load'])).code).toBe(6);
    const dry = await run(['load', '--dry-run']);
    expect(dry.code).toBe(0);
    expect(dry.stdout).toContain('planned');
    expect(await command(redis.port, 'INFO stats')).toContain('total_writes_processed');
    expect(await command(redis.port, 'DBSIZE')).toBe(':0\r\n');
    const other = await run(['load', '--writes', '0', '--yes']);
    expect(other.code).toBe(2);
  });
});
