import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { LIBRARIES } from '../queues/bullmq-writing.js';
import { failedJobs } from '../queues/failed.js';
import { startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { expectEachOnce, JOBS, together } from './queue-two-operators.js';

const WORKER = new URL('../queues/counting-worker.mjs', import.meta.url).pathname;

it.each(LIBRARIES)(
  '10,000 jobs of %s, workers run: each moves once and runs once, the other sees raced',
  async (library) => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const redis = new Redis(server.port);
    onTestFinished(() => redis.disconnect());
    await (await failedJobs(redis, 'mail', JOBS)).close();
    for (const _ of [1, 2]) {
      const worker = spawn(process.execPath, [WORKER, String(server.port), 'mail', library], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      onTestFinished(() => void worker.kill('SIGKILL'));
      await once(worker.stdout, 'data');
    }
    await redis.client('PAUSE', 30_000, 'WRITE');
    const config = {
      redis: { main: { url: server.url } },
      queues: [{ engine: 'bullmq', redis: 'main' }],
    };
    expectEachOnce(await together(config, () => redis.client('UNPAUSE')));
    await until(async () => (await redis.zcard('bull:mail:completed')) === JOBS, {
      timeout: 30_000,
    });
    expect(await redis.hlen('ran')).toBe(JOBS);
    expect(new Set(await redis.hvals('ran'))).toEqual(new Set(['1']));
  },
);
