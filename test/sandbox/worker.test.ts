import { Queue } from 'bullmq';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../servers/wait.js';
import { makeWorld, type World } from './world.js';

let world: World;
beforeAll(async () => {
  world = makeWorld();
  expect((await world.bin('sandbox', 'up')).code).toBe(0);
});
afterAll(() => world.remove());

interface Line {
  queue: string;
  [figure: string]: unknown;
}
const queues = async (): Promise<Line[]> =>
  JSON.parse((await world.cli('health', '--sandbox', '--json')).stdout).queues;

const addressOf = async (name: string): Promise<string> => {
  const { processes } = JSON.parse((await world.cli('sandbox', 'status', '--json')).stdout);
  return processes.find((process: { name: string }) => process.name === name).address;
};
const redisConnection = async () => {
  const [host, port] = (await addressOf('redis')).split(':');
  return { host: host as string, port: Number(port), password: world.secret('redis.password') };
};
const workerPid = async (): Promise<number> => {
  const { processes } = JSON.parse((await world.cli('sandbox', 'status', '--json')).stdout);
  return processes.find(({ name }: { name: string }) => name === 'worker').pid;
};

it('when up returns both queues have jobs that succeeded, failed, hang and are delayed', async () => {
  const figures = { waiting: 0, active: 2, delayed: 3, completed: 12, failed: 12 };
  expect(await queues()).toMatchObject([
    { queue: 'title-screening', engine: 'bullmq', workers: 1, ...figures },
    { queue: 'medical-extraction', engine: 'pgboss', ...figures },
  ]);
});

it('they failed with different errors, some of which a retry overcomes', async () => {
  const connection = await redisConnection();
  const queue = new Queue('title-screening', { connection, skipMetasUpdate: true });
  const client = new pg.Client({ connectionString: world.secret('postgres.url') });
  await client.connect();
  try {
    const failed = await queue.getJobs('failed');
    const { rows } = await client.query(
      "SELECT id, output->>'message' AS message FROM pgboss.job WHERE state = 'failed'",
    );
    for (const messages of [failed.map((job) => job.failedReason), rows.map((r) => r.message)]) {
      expect(new Set(messages).size).toBe(4);
      expect(messages.filter((message) => message?.includes('ETIMEDOUT'))).toHaveLength(6);
    }
    const again = failed.find((job) => job.failedReason.includes('ETIMEDOUT'));
    const hopeless = failed.find((job) => job.failedReason.includes('no text layer'));
    await again?.retry();
    await hopeless?.retry();
    await until(async () => (await again?.getState()) === 'completed');
    await until(async () => (await hopeless?.getState()) === 'failed');

    const boss = new PgBoss({
      connectionString: world.secret('postgres.url'),
      supervise: false,
      schedule: false,
    });
    boss.on('error', () => {});
    await boss.start();
    const { id } = rows.find(({ message }) => message.includes('ETIMEDOUT'));
    await boss.retry('medical-extraction', id);
    await until(
      async () => (await boss.getJobById('medical-extraction', id))?.state === 'completed',
    );
    await boss.stop({ graceful: false });
  } finally {
    await queue.close();
    await client.end();
  }
});

it('a drill that stops Redis passes, and the same worker goes on with jobs that come afterwards', async () => {
  const pid = await workerPid();
  const drill = await world.bin('drill', 'redis-down', '--yes', '--sandbox', '--hold', '1s');
  expect(drill.code).toBe(0);
  expect(await workerPid()).toBe(pid);
  const connection = await redisConnection();
  const queue = new Queue('title-screening', { connection, skipMetasUpdate: true });
  try {
    const job = await queue.add('screen', { paper: 1, outcome: 'succeed' });
    await until(async () => (await job.getState()) === 'completed');
    expect(await queue.getJobCounts('active', 'delayed')).toEqual({ active: 2, delayed: 3 });
  } finally {
    await queue.close();
  }
});
