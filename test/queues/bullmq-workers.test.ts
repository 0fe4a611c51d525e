import { Cluster } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startCluster } from '../servers/cluster.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import {
  bullmq,
  clusterWriter,
  LIBRARIES,
  type Library,
  type Site,
  site,
  startWorker,
} from './bullmq-writing.js';

let server: RedisServer;
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => server.stop());

async function at(library: Library, name = 'work'): Promise<Site> {
  const one = site(server.url, library, name);
  ends.push(() => one.close());
  await one.redis.flushall();
  await one.queue.waitUntilReady();
  return one;
}

async function worker(library: Library, name = 'work') {
  const started = await startWorker(library, name, server.url);
  ends.push(() => started.stop());
  return started;
}

const RETRY = { type: 'retry' } as const;
const CANCEL = { type: 'cancel' } as const;

/** Failed jobs as workers leave them, the way there cut short. */
async function addFailed({ queue, redis, base }: Site, count: number) {
  const jobs = Array.from({ length: count }, (_, index) => ({
    name: 'send',
    data: {},
    opts: { jobId: `j${index}`, priority: index % 3 },
  }));
  await queue.addBulk(jobs);
  const pipe = redis.pipeline().del(`${base}wait`, `${base}prioritized`, `${base}marker`);
  for (let index = 0; index < count; index += 1) {
    pipe.hset(`${base}j${index}`, 'failedReason', 'ETIMEDOUT', 'finishedOn', '1', 'atm', '1');
    pipe.zadd(`${base}failed`, index + 1, `j${index}`);
  }
  await pipe.exec();
  return jobs.map(({ opts }) => opts);
}

describe.each(LIBRARIES)('with workers of %s', (library) => {
  it('moves exactly the 2,500 jobs that are meant of 5,000; each runs once, with its priority', async () => {
    const one = await at(library);
    const jobs = await addFailed(one, 5000);
    const meant = jobs.filter((_, index) => index % 2 === 0);
    for (let from = 0; from < meant.length; from += 1000) {
      const ids = meant.slice(from, from + 1000).map(({ jobId }) => jobId);
      const outcomes = await one.apply(RETRY, ...ids);
      expect(outcomes.every(({ result }) => result === 'done')).toBe(true);
    }
    const { lines, ran } = await worker(library);
    await until(() => ran().length >= meant.length, { timeout: 30_000 });
    expect(ran().sort()).toEqual(meant.map(({ jobId }) => jobId).sort());
    const priorities = new Map(jobs.map(({ jobId, priority }) => [jobId, priority]));
    for (const { event, id = '', priority } of lines) {
      if (event === 'began') expect(priority).toBe(priorities.get(id));
    }
    expect(await one.queue.getFailedCount()).toBe(2500);
  });

  it('cancels an active job honestly: a worker that listens, one that does not, one that has finished', async () => {
    const one = await at(library);
    const { saw, lines } = await worker(library);
    await one.queue.add('send', { ms: 60_000, listens: true }, { jobId: 'listens' });
    await one.queue.add('send', { ms: 3000 }, { jobId: 'deaf' });
    await one.queue.add('send', {}, { jobId: 'quick' });
    await until(() => saw('began', 'listens') && saw('began', 'deaf') && saw('completed', 'quick'));
    expect(await one.apply(CANCEL, 'listens', 'deaf', 'quick')).toMatchObject([
      { result: 'fenced', detail: expect.stringContaining('is not known') },
      { result: 'fenced' },
      { result: 'raced', detail: 'has completed already' },
    ]);
    expect(await one.apply(RETRY, 'listens', 'deaf')).toMatchObject([
      { result: 'locked' },
      { result: 'locked' },
    ]);
    await until(() => saw('aborted', 'listens'), { what: 'the worker to stop' });
    await until(() => saw('ran', 'deaf'), { what: 'the deaf worker to end' });
    await until(() => lines.some(({ message = '' }) => /lock/i.test(message)));
    for (const id of ['listens', 'deaf']) {
      expect(await (await one.queue.getJob(id))?.getState()).toBe('failed');
      expect(saw('completed', id)).toBe(false);
    }
    expect(await one.queue.getActiveCount()).toBe(0);
  });

  it('lets the next job run where the limit of concurrency held it', async () => {
    const one = await at(library);
    await one.queue.setGlobalConcurrency(1);
    const { saw } = await worker(library);
    await one.queue.add('send', { ms: 60_000, listens: true }, { jobId: 'long' });
    await until(() => saw('began', 'long'));
    await one.queue.add('send', {}, { jobId: 'next' });
    await one.apply(CANCEL, 'long');
    await until(() => saw('ran', 'next'));
  });

  it('the operator pauses, the application adds and resumes: all jobs run', async () => {
    const one = await at(library);
    const { ran } = await worker(library);
    await one.engine.setPaused(one.ref, true);
    const ids = Array.from({ length: 20 }, (_, index) => `p${index}`);
    await one.queue.addBulk(
      ids.map((jobId, index) => ({ name: 'send', data: {}, opts: { jobId, priority: index % 2 } })),
    );
    await one.queue.add('send', {}, { jobId: 'later', delay: 50 });
    await until(async () => (await one.redis.zscore(`${one.base}delayed`, 'later')) !== null);
    expect(ran()).toEqual([]);
    await one.queue.resume();
    await until(() => ran().length === 21, { what: 'all jobs to run' });
  });
});

it.each(LIBRARIES)(
  'on a cluster of three masters with a tagged prefix (%s)',
  async (library) => {
    const cluster = await startCluster();
    ends.push(() => cluster.stop());
    const nodes = cluster.masters.map(({ host, port }) => ({ host, port }));
    const connection = new Cluster(nodes, { redisOptions: { maxRetriesPerRequest: null } });
    ends.push(async () => connection.disconnect());
    const { Queue, FlowProducer } = bullmq(library);
    for (const prefix of ['{bull}', '{app:eu}']) {
      const queue = new Queue('child', { connection, prefix });
      const [first] = cluster.masters;
      const { engine, close } = clusterWriter(`127.0.0.1:${first?.port}`);
      ends.push(async () => close());
      const ref = { engine: 'bullmq', source: 'test', scope: prefix, queue: 'child' } as const;
      await new FlowProducer({ connection, prefix }).add({
        name: 'p',
        queueName: 'parent',
        opts: { jobId: 'p' },
        children: [{ name: 'c', queueName: 'child', data: { fail: 'no' }, opts: { jobId: 'c' } }],
      });
      await queue.add('send', {}, { jobId: 'later', delay: 60_000 });
      const started = await startWorker(library, 'child', first?.url as string, {
        prefix,
        cluster: true,
      });
      ends.push(() => started.stop());
      await until(async () => (await queue.getFailedCount()) === 1);
      const apply = async (type: 'retry' | 'promote' | 'cancel', id: string) =>
        (await engine.apply(ref, { type }, [{ id, seen: '' }]))[0]?.result;
      expect(await engine.setPaused(ref, true)).toBe('done');
      expect(await apply('promote', 'later')).toBe('done');
      expect(await apply('cancel', 'later')).toBe('done');
      await (await queue.getJob('c'))?.updateData({});
      expect(await apply('retry', 'c')).toBe('done');
      expect(await engine.setPaused(ref, false)).toBe('done');
      await until(() => started.saw('completed', 'c'));
      await queue.close();
    }
  },
  60_000,
);
