import { describe, expect, it } from 'vitest';
import { Interrupt } from '../../src/io.js';
import { OwnKeys } from '../../src/smoke/keys.js';
import { startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { startDouble } from './doubles.js';
import { onEstate } from './estate.js';

describe.concurrent('an interrupted run', () => {
  it('removes its keys from Redis and from the applications; exit 130', () =>
    onEstate({ services: ['redis', 'redis'] }, async (estate) => {
      const before = await estate.keys();
      const controller = new AbortController();
      const argv = ['--timeout', '60s'];
      const running = estate.run(argv, { signal: controller.signal });
      await until(async () => (await estate.keys()).some((key) => key.endsWith(':main:ttl')));
      const start = performance.now();
      controller.abort(new Interrupt('SIGTERM'));
      const outcome = await running;
      expect(outcome).toMatchObject({ code: 130, stdout: '' });
      expect(outcome.stderr).toBe('cache-ops: interrupted by SIGTERM\n');
      expect(performance.now() - start).toBeLessThan(5_000);
      expect(await estate.keys()).toEqual(before);
    }));

  it('waits for a write that is under way, so that the removal comes after it', async () => {
    const double = await startDouble({ slowWrite: 300 });
    try {
      await onEstate({ urls: [double.url] }, async (estate) => {
        const controller = new AbortController();
        const running = estate.run(['--no-redis'], { signal: controller.signal });
        await until(() => double.requests.some((request) => request.startsWith('PUT')));
        controller.abort(new Interrupt('SIGINT'));
        expect((await running).code).toBe(130);
        await until(() => double.writes === 1);
        expect(double.requests.at(-1)).toMatch(/^DELETE/);
        expect(double.values.size).toBe(0);
      });
    } finally {
      await double.stop();
    }
  });

  it('ends within its limit although Redis hangs, and says which keys stay behind', () =>
    onEstate({}, async (estate) => {
      const controller = new AbortController();
      const running = estate.run(['--timeout', '60s'], { signal: controller.signal });
      await until(async () => (await estate.keys()).some((key) => key.endsWith(':main:ttl')));
      estate.redis.kill('SIGSTOP');
      const start = performance.now();
      controller.abort(new Interrupt('SIGINT'));
      const outcome = await running;
      expect(performance.now() - start).toBeLessThan(5_000);
      expect(outcome.code).toBe(130);
      expect(outcome.stderr).toMatch(/main: langextract:.*:ttl was not removed \(.+\); it expires/);
      estate.redis.kill('SIGCONT');
    }));

  it('writes no key any more', () =>
    onEstate({}, async (estate) => {
      const before = await estate.keys();
      const keys = new OwnKeys(estate.client, 'late:');
      await expect(keys.put('x', '1', AbortSignal.abort(new Interrupt('SIGINT')))).rejects.toThrow(
        'interrupted by SIGINT',
      );
      expect(await estate.keys()).toEqual(before);
    }));

  it('while it connects: ends at once', async () => {
    const hung = await startRedis();
    hung.kill('SIGSTOP');
    try {
      await onEstate({ redis: [`  hung: { url: "${hung.url}" }`] }, async (estate) => {
        const controller = new AbortController();
        const argv = ['--target', 'hung', '--timeout', '60s'];
        const running = estate.run(argv, { signal: controller.signal });
        setTimeout(() => controller.abort(new Interrupt('SIGINT')), 200);
        const start = performance.now();
        expect((await running).code).toBe(130);
        expect(performance.now() - start).toBeLessThan(5_000);
      });
    } finally {
      hung.kill('SIGCONT');
      await hung.stop();
    }
  });
});
