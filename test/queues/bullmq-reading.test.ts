import type { Job } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { type Estate, fingerprint, type Operator, operator, populate } from './bullmq.js';
import { bullmq, LIBRARIES } from './bullmq-writing.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({
    users: [
      'default on nopass ~* &* +@all',
      'viewer on >s3cret ~* resetchannels +@read +scan +ping +auth -memory',
    ],
  });
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

describe.each(LIBRARIES)('a queue of %s', (library) => {
  const name = `jobs-${library}`;
  let estate: Estate;
  let op: Operator;
  beforeAll(async () => {
    estate = await populate(library, name, { host: '127.0.0.1', port: server.port });
    op = operator(server.url);
  });
  afterAll(async () => {
    op.close();
    await estate.close();
  });

  it('is counted as BullMQ counts it', async () => {
    const counts = await estate.queue.getJobCounts();
    const [snapshot] = await op.snapshots([op.ref(name)]);
    expect(snapshot).toMatchObject({
      waiting: (counts.waiting ?? 0) + (counts.prioritized ?? 0),
      active: counts.active,
      delayed: counts.delayed,
      blocked: counts['waiting-children'],
      completed: counts.completed,
      failed: counts.failed,
      paused: false,
      workers: 1,
    });
    expect(snapshot).toMatchObject({ waiting: 6, active: 2, delayed: 3, blocked: 1 });
    expect(snapshot).toMatchObject({ completed: 4, failed: 4 });
    expect(snapshot?.oldest_waiting_ms).toBeGreaterThanOrEqual(0);
  });

  it('is counted the same while it is paused, and says so', async () => {
    await estate.queue.pause();
    const [paused] = await op.snapshots([op.ref(name)]);
    const waiting = await op.all(op.ref(name), { states: ['waiting'] });
    await estate.queue.resume();
    expect(paused).toMatchObject({ paused: true, waiting: 6 });
    expect(waiting).toHaveLength(6);
  });

  it('has its connected workers', async () => {
    const { Worker } = bullmq(library);
    const connection = { host: '127.0.0.1', port: server.port };
    const own = `workers-${library}`;
    // The mark of a check for stalled jobs would expire while other tests compare keys.
    const options = { connection, skipStalledCheck: true };
    const workers = [{}, { name: 'eu-1' }].map(
      (more) => new Worker(own, async () => {}, { ...options, ...more }),
    );
    onTestFinished(async () => {
      await Promise.all(workers.map((worker) => worker.close()));
    });
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));
    await until(async () => (await op.snapshots([op.ref(own)]))[0]?.workers === 2);
  });

  it.each([
    ['waiting', ['waiting', 'prioritized']],
    ['delayed', ['delayed']],
    ['active', ['active']],
    ['blocked', ['waiting-children']],
    ['completed', ['completed']],
    ['failed', ['failed']],
  ] as const)('lists %s jobs as BullMQ does, newest first', async (state, types) => {
    const truth: Job[] = [];
    for (const type of types) truth.push(...(await estate.queue.getJobs(type, 0, -1, false)));
    const jobs = await op.all(op.ref(name), { states: [state] });
    expect(jobs.map(({ id }) => id)).toEqual(truth.map(({ id }) => id));
    for (const [index, job] of jobs.entries()) {
      const other = truth[index] as Job;
      expect(job).toMatchObject({
        queue: name,
        scope: 'bull',
        state,
        name: other.name,
        data: other.data,
        priority: other.priority,
        attempts_made: other.attemptsMade,
        attempts_max: other.opts.attempts || 1,
        created_at: other.timestamp,
        due_at: state === 'delayed' ? other.timestamp + other.delay : null,
        started_at: other.processedOn ?? null,
        finished_at: other.finishedOn ?? null,
        error: other.failedReason ?? null,
        problem: null,
      });
    }
  });

  it('lists every job once when no state is asked for, and what a filter means', async () => {
    const every = await op.all(op.ref(name));
    expect(new Set(every.map(({ id }) => id)).size).toBe(every.length);
    expect(every).toHaveLength(20);
    const timed = await op.all(op.ref(name), { states: ['failed'], error: /ETIMEDOUT/ });
    // They may have failed in the same millisecond.
    expect(timed.map(({ error }) => error).sort()).toEqual([
      'ETIMEDOUT 10.0.0.1:443',
      'ETIMEDOUT 10.0.0.2:443',
    ]);
    const user = await op.all(op.ref(name), { data: [{ path: ['user', 'id'], value: 'u2' }] });
    expect(user).toMatchObject([{ name: 'report', data: { n: 2 }, state: 'completed' }]);
    const since = timed[0]?.finished_at as number;
    const young = await op.all(op.ref(name), { states: ['failed'], after: since });
    const old = await op.all(op.ref(name), { states: ['failed'], before: since });
    expect(young.length + old.length).toBe(4);
    expect(young.every(({ finished_at }) => (finished_at ?? 0) >= since)).toBe(true);
    expect(old.every(({ finished_at }) => (finished_at ?? 0) < since)).toBe(true);
  });

  it('lists jobs by their ids with the state of each, and not those that are not there', async () => {
    const every = await op.all(op.ref(name));
    const ids = every.map(({ id }) => id);
    const some = await op.all(op.ref(name), {
      ids: [...ids.slice(0, 5), 'nope', 'meta', ids[0] as string],
    });
    expect(some).toEqual(every.slice(0, 5));
    // More than a server is asked to look for in a list.
    const many = await op.all(op.ref(name), {
      ids: [...Array.from({ length: 40 }, (_, n) => `no-${n}`), ...ids],
    });
    expect(many).toEqual(every);
  });

  it('shows a completed job with all that belongs to it', async () => {
    const [done] = await op.all(op.ref(name), { states: ['completed'], name: 'report' });
    expect(await op.show(op.ref(name), done?.id as string)).toMatchObject({
      state: 'completed',
      result: { rows: 3 },
      progress: 50,
      logs: ['half of it', 'all of it'],
      stack: [],
      parent: null,
      children: [],
      scheduler: null,
      lock: null,
      dead_letter: { from: null, to: null },
      retry: 'waiting',
    });
  });

  it('shows why a job has failed and where a retry would put it', async () => {
    const jobs = await op.all(op.ref(name), { states: ['failed'] });
    const [urgent] = jobs.filter(({ priority }) => priority === 2);
    const detail = await op.show(op.ref(name), urgent?.id as string);
    expect(detail).toMatchObject({ error: 'bad row 7', retry: 'waiting, priority 2' });
    expect(detail?.stack.join()).toContain('Error: bad row 7');
    const plain = jobs.find(({ priority }) => priority === 0);
    expect((await op.show(op.ref(name), plain?.id as string))?.retry).toBe(
      'waiting, as the next one',
    );
  });

  it('shows the lock of an active job, and that it cannot be retried', async () => {
    const [held] = await op.all(op.ref(name), { states: ['active'], name: 'held' });
    const detail = await op.show(op.ref(name), held?.id as string);
    expect(detail?.lock?.token).toBe('owner');
    expect(detail?.lock?.expires_in_ms).toBeGreaterThan(0);
    expect(detail?.lock?.expires_in_ms).toBeLessThanOrEqual(600_000);
    expect(detail?.retry).toBe('not possible: it is running');
  });

  it('shows the parent and the children of a flow', async () => {
    const [parent] = await op.all(op.ref(name), { states: ['blocked'] });
    const detail = await op.show(op.ref(name), parent?.id as string);
    const parts = await op.all(op.ref(name), { name: 'part' });
    expect(detail?.children).toHaveLength(2);
    for (const part of parts) {
      expect(detail?.children).toContainEqual({
        id: part.id,
        queue: name,
        done: part.state === 'completed',
      });
      expect(await op.show(op.ref(name), part.id)).toMatchObject({
        parent: { id: parent?.id, queue: name },
      });
    }
  });

  it('shows the scheduler of a job', async () => {
    const [tick] = await op.all(op.ref(name), { name: 'tick' });
    expect(await op.show(op.ref(name), tick?.id as string)).toMatchObject({
      state: 'delayed',
      scheduler: 'nightly',
      retry: expect.stringMatching(/^not needed: it is due at \d{4}-/),
    });
  });

  it('has figures over its newest finished jobs', async () => {
    const stats = await op.stats(op.ref(name), 1_000);
    expect(stats).toMatchObject({
      sampled: 8,
      wait_ms: { count: 8 },
      run_ms: { count: 8 },
      retained: { completed: 4, failed: 4, cancelled: 0 },
      failures: [
        { shape: 'bad row <n>', count: 2 },
        { shape: 'ETIMEDOUT <host>', count: 2 },
      ],
    });
    expect(stats.finished_per_minute).toBeGreaterThan(0);
    expect(stats.memory?.average_bytes).toBeGreaterThan(100);
    expect(stats.memory?.retained_bytes).toBeCloseTo((stats.memory?.average_bytes ?? 0) * 8, -2);
    expect(await op.stats(op.ref(name), 3)).toMatchObject({ sampled: 3, retained: { failed: 4 } });
  });

  it('counts the wait of a job from when it was due, and no wait of a later attempt', async () => {
    const own = `figures-${library}`;
    const added = 1_700_000_000_000;
    const finished = {
      name: 'j',
      data: '{}',
      timestamp: added,
      delay: 0,
      finishedOn: added + 9_000,
    };
    const opts = JSON.stringify({ delay: 5_000, backoff: { type: 'fixed', delay: 1 } });
    await redis.hset(`bull:${own}:meta`, 'opts.maxLenEvents', '10000');
    await redis.hset(`bull:${own}:1`, { ...finished, opts, processedOn: added + 7_000, ats: 1 });
    await redis.hset(`bull:${own}:2`, {
      ...finished,
      opts: '{}',
      processedOn: added + 8_000,
      ats: 2,
    });
    await redis.zadd(`bull:${own}:completed`, added + 9_000, '1', added + 39_000, '2');
    const stats = await op.stats(op.ref(own), 10);
    expect(stats.wait_ms).toEqual({ count: 1, p50: 2_000, p95: 2_000, p99: 2_000, max: 2_000 });
    expect(stats.run_ms).toMatchObject({ count: 2, p50: 1_000, max: 2_000 });
  });

  it('tells by `seen` whether a job has been retried or has failed anew', async () => {
    const { queue } = estate;
    const [failed] = await op.all(op.ref(name), { states: ['failed'], error: /row 8/ });
    const id = failed?.id as string;
    const look = async () => (await op.show(op.ref(name), id))?.seen;
    const first = await look();
    expect(first).toBe(failed?.seen);
    await ((await queue.getJob(id)) as Job).retry('failed');
    const second = await look();
    const { Worker } = bullmq(library);
    const worker = new Worker(name, null, {
      connection: { host: '127.0.0.1', port: server.port },
      autorun: false,
      lockDuration: 600_000,
    });
    onTestFinished(() => worker.close());
    await queue.pause();
    await queue.resume();
    let taken = (await worker.getNextJob('again', { block: false })) as Job;
    while (taken.id !== id) taken = (await worker.getNextJob('again', { block: false })) as Job;
    const third = await look();
    await taken.moveToFailed(new Error('bad row 8'), 'again', false);
    const fourth = await look();
    expect(new Set([first, second, third, fourth]).size).toBe(4);
  });

  it('reads all that and changes nothing, also as a user that may only read', async () => {
    const before = await fingerprint(server.port);
    const viewer = operator(server.url.replace('//', '//viewer:s3cret@'));
    onTestFinished(() => viewer.close());
    for (const reading of [op, viewer]) {
      const queues = await reading.discover();
      expect(queues.map(({ queue }) => queue)).toContain(name);
      expect(await reading.existing([...queues, reading.ref('nope')])).toEqual(queues);
      await reading.snapshots([...queues, reading.ref('nope')]);
      for (const queue of queues) {
        const jobs = await reading.all(queue);
        for (const { id } of jobs) {
          await reading.show(queue, id);
          expect(await reading.holding([...queues, reading.ref('nope')], id)).toContainEqual(queue);
        }
        await reading.all(queue, { ids: jobs.map(({ id }) => id) });
        await reading.stats(queue, 100);
      }
      await reading.show(reading.ref('nope'), '1');
      expect(await reading.all(reading.ref('nope'))).toEqual([]);
    }
    expect(await fingerprint(server.port)).toEqual(before);
    const [snapshot] = await viewer.snapshots([viewer.ref(name)]);
    expect(snapshot?.workers).toBeNull();
    expect((await viewer.stats(viewer.ref(name), 10)).memory).toBeNull();
  });
});
