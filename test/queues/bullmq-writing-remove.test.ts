import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Operation } from '../../src/queues/operation.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { bullmq, keyspace, LIBRARIES, type Library, type Site, site } from './bullmq-writing.js';

let server: RedisServer;
let open: Site[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  await open[0]?.redis.flushall();
  for (const one of open) await one.close();
  open = [];
});
afterAll(() => server.stop());

function at(library: Library, name = 'mail'): Site {
  const one = site(server.url, library, name);
  open.push(one);
  return one;
}

const REMOVE: Operation = { type: 'remove', cascade: false };
const CASCADE: Operation = { type: 'remove', cascade: true };
const CANCEL: Operation = { type: 'cancel' };
const PROMOTE: Operation = { type: 'promote' };

async function flow(
  library: Library,
  childData: unknown[],
  childOpts: Record<string, unknown> = {},
) {
  const children = at(library, 'child');
  const parents = at(library, 'parent');
  await new (bullmq(library).FlowProducer)({ connection: parents.redis }).add({
    name: 'p',
    queueName: 'parent',
    opts: { jobId: 'p', priority: 4 },
    children: childData.map((data, index) => ({
      name: 'c',
      queueName: 'child',
      data,
      opts: { jobId: `c${index}`, ...childOpts },
    })),
  });
  await children.work();
  const state = async (one: Site, id: string) => (await one.queue.getJob(id))?.getState();
  return { children, parents, state };
}

describe.each(LIBRARIES)('rm on %s', (library) => {
  it('takes a job out of every state, with all its keys, and says so in the events', async () => {
    const { queue, work, apply, redis, base } = at(library);
    await queue.add('send', {}, { jobId: 'ended' });
    await queue.add('send', { fail: 'no' }, { jobId: 'broke' });
    await work();
    await queue.add('send', {}, { jobId: 'waits', deduplication: { id: 'one' } });
    await queue.add('send', {}, { jobId: 'later', delay: 60_000 });
    await queue.add('send', {}, { jobId: 'first', priority: 2 });
    await (await queue.getJob('broke'))?.log('a line');
    const outcomes = await apply(REMOVE, 'ended', 'broke', 'waits', 'later', 'first', 'none');
    expect(outcomes.map(({ result }) => result)).toEqual([
      ...Array.from({ length: 5 }, () => 'done'),
      'missing',
    ]);
    const rest = Object.keys(await keyspace(redis));
    expect(rest.filter((key) => !/:(meta|events|marker|id|pc|stalled-check)$/.test(key))).toEqual(
      [],
    );
    const events = JSON.stringify((await keyspace(redis, `${base}events`))[`${base}events`]);
    for (const id of ['ended', 'broke', 'waits', 'later', 'first'])
      expect(events).toContain(`"removed","jobId","${id}"`);
  });

  it('leaves the deduplication key to the job that holds it now', async () => {
    const { queue, work, apply, redis, base } = at(library);
    const opts = { deduplication: { id: 'one' } };
    await queue.add('send', { fail: 'no' }, { jobId: 'old', ...opts });
    await work();
    await queue.add('send', {}, { jobId: 'new', ...opts });
    await apply(REMOVE, 'old');
    expect(await redis.get(`${base}de:one`)).toBe('new');
  });

  it('leaves a running job alone', async () => {
    const { queue, work, apply, redis } = at(library);
    await queue.add('send', { leave: true }, { jobId: 'a' });
    await work();
    const before = await keyspace(redis);
    expect(await apply(REMOVE, 'a')).toMatchObject([{ result: 'locked' }]);
    expect(await keyspace(redis)).toEqual(before);
  });

  it('names the parent of a failed child and refuses without --cascade', async () => {
    const { children, parents, state } = await flow(library, [{ fail: 'no' }]);
    const before = await keyspace(children.redis);
    expect(await children.preview(REMOVE, 'c0')).toMatchObject([
      { result: 'conflict', becomes: 'its parent parent:p waits for it', parents: ['parent:p'] },
    ]);
    expect(await children.apply(REMOVE, 'c0')).toMatchObject([{ result: 'conflict' }]);
    expect(await children.preview(CASCADE, 'c0')).toMatchObject([
      { result: 'done', becomes: 'removed, releases its parent parent:p', parents: ['parent:p'] },
    ]);
    expect(await keyspace(children.redis)).toEqual(before);
    expect(await children.apply(CASCADE, 'c0')).toMatchObject([{ result: 'done' }]);
    expect(await state(parents, 'p')).toBe('prioritized');
    await parents.work();
    expect(await state(parents, 'p')).toBe('completed');
  });

  it('takes a parent with its waiting children with --cascade only, and not while one runs', async () => {
    const { children, parents, state } = await flow(library, [{ leave: true }, { fail: 'no' }]);
    expect(await parents.apply(REMOVE, 'p')).toMatchObject([{ result: 'locked' }]);
    expect(await parents.apply(CASCADE, 'p')).toMatchObject([{ result: 'locked' }]);
    const job = await children.queue.getJob('c0');
    await job?.moveToCompleted('ok', 'test', false);
    expect(await parents.apply(REMOVE, 'p')).toMatchObject([
      { result: 'conflict', detail: 'it waits for its child child:c1' },
    ]);
    expect(await parents.preview(CASCADE, 'p')).toMatchObject([{ children: ['child:c1'] }]);
    expect(await parents.apply(CASCADE, 'p')).toMatchObject([{ result: 'done' }]);
    expect(await state(children, 'c0')).toBe('completed');
    expect(await children.queue.getJob('c1')).toBeUndefined();
    expect(await children.queue.getFailedCount()).toBe(0);
  });

  it('takes a flow that has ended like any job', async () => {
    const { children, parents } = await flow(library, [{}]);
    await parents.work();
    expect(await children.apply(REMOVE, 'c0')).toMatchObject([{ result: 'done' }]);
    expect(await parents.apply(REMOVE, 'p')).toMatchObject([{ result: 'done' }]);
  });
});

describe.each(LIBRARIES)('cancel on %s', (library) => {
  it('removes what has not begun and nothing else', async () => {
    const { queue, work, apply, redis, base } = at(library);
    await queue.add('send', {}, { jobId: 'done' });
    await work();
    await queue.add('send', {}, { jobId: 'waits' });
    await queue.add('send', {}, { jobId: 'later', delay: 60_000 });
    await queue.add('send', {}, { jobId: 'first', priority: 2 });
    await queue.pause();
    const outcomes = await apply(CANCEL, 'waits', 'later', 'first', 'done', 'none');
    expect(outcomes.map(({ result, detail }) => `${result}: ${detail}`)).toEqual([
      'done: removed before it began',
      'done: removed before it began',
      'done: removed before it began',
      'raced: has completed already',
      'missing: no such job',
    ]);
    expect(await redis.exists(`${base}waits`, `${base}later`, `${base}first`)).toBe(0);
    await queue.resume();
    expect(await queue.getWaitingCount()).toBe(0);
  });

  it('refuses a job of a flow, waiting parent and waiting child', async () => {
    const { children, parents } = await flow(library, [{ leave: true }]);
    const lock = await children.queue.getJob('c0');
    expect(await parents.apply(CANCEL, 'p')).toMatchObject([{ result: 'conflict' }]);
    await lock?.moveToFailed(new Error('x'), 'test', false);
    await lock?.retry();
    expect(await children.apply(CANCEL, 'c0')).toMatchObject([
      { result: 'conflict', detail: 'its parent parent:p waits for it' },
    ]);
  });

  it.each([
    [{ failParentOnFailure: true }, 'would fail its parent parent:p'],
    [{ continueParentOnFailure: true }, 'would release its parent parent:p'],
    [{ ignoreDependencyOnFailure: true }, 'would release its parent parent:p'],
  ])('refuses an active child where that decides over its parent: %o', async (opts, detail) => {
    const { children, state, parents } = await flow(library, [{ leave: true }], opts);
    const before = await keyspace(children.redis);
    expect(await children.apply(CANCEL, 'c0')).toMatchObject([{ result: 'conflict', detail }]);
    expect(await keyspace(children.redis)).toEqual(before);
    expect(await state(parents, 'p')).toBe('waiting-children');
  });

  it('wakes a worker for the job that the limit of concurrency held', async () => {
    const { queue, work, apply, redis, base } = at(library);
    await queue.setGlobalConcurrency(1);
    await queue.add('send', { leave: true }, { jobId: 'long' });
    await work();
    await queue.add('send', {}, { jobId: 'next' });
    await redis.del(`${base}marker`);
    await apply(CANCEL, 'long');
    expect(await redis.exists(`${base}marker`)).toBe(1);
  });

  it('fences an active job: failed for good, its result refused, no retry meanwhile', async () => {
    const { queue, work, apply, preview, redis, base } = at(library);
    await queue.add('send', { leave: true }, { jobId: 'a', attempts: 5 });
    await work();
    const job = await queue.getJob('a');
    const before = await keyspace(redis);
    expect(await preview(CANCEL, 'a')).toMatchObject([{ result: 'fenced' }]);
    expect(await keyspace(redis)).toEqual(before);
    expect(await apply(CANCEL, 'a')).toMatchObject([
      {
        result: 'fenced',
        detail: 'its result will be refused; whether its worker has stopped is not known',
      },
    ]);
    await expect(job?.moveToCompleted('ok', 'test', false)).rejects.toThrow(/lock/i);
    expect(await job?.getState()).toBe('failed');
    expect(await apply({ type: 'retry' }, 'a')).toMatchObject([
      { result: 'locked', detail: expect.stringContaining('its worker may still run') },
    ]);
    expect(await apply(CANCEL, 'a')).toMatchObject([{ result: 'raced' }]);
    expect(await redis.hmget(`${base}a`, 'failedReason', 'atm')).toEqual([
      'cancelled by an operator (cache-ops)',
      '1',
    ]);
    await redis.del(`${base}a:lock`);
    expect(await apply({ type: 'retry' }, 'a')).toMatchObject([{ result: 'done' }]);
  });
});

describe.each(LIBRARIES)('promote on %s', (library) => {
  it('lets delayed jobs wait, with their priority, and leaves others and ghosts alone', async () => {
    const { queue, apply, redis, base, work } = at(library);
    await queue.add('send', {}, { jobId: 'a', delay: 60_000 });
    await queue.add('send', {}, { jobId: 'b', delay: 60_000, priority: 2 });
    await redis.zadd(`${base}delayed`, '1', 'ghost');
    const outcomes = await apply(PROMOTE, 'a', 'b', 'ghost', 'a');
    expect(outcomes.map(({ result, detail }) => `${result}: ${detail}`)).toEqual([
      'done: waiting',
      'done: waiting, priority 2',
      'missing: no such job',
      'raced: not delayed any more',
    ]);
    expect(await queue.getPrioritizedCount()).toBe(1);
    expect(await redis.zrange(`${base}delayed`, '0', '-1')).toEqual(['ghost']);
    await redis.del(`${base}delayed`);
    await work();
    expect(await queue.getCompletedCount()).toBe(2);
  });
});

it('redrive says that BullMQ has no dead letters', async () => {
  const { apply } = at('bullmq');
  expect(await apply({ type: 'redrive' }, 'a')).toMatchObject([
    { result: 'conflict', detail: expect.stringContaining('no dead letters') },
  ]);
});

it('does nothing to the keys of a queue that is not there', async () => {
  const { engine, ref, redis } = at('bullmq');
  await redis.flushall();
  const absent = { ...ref, queue: 'absent' };
  await engine.apply(absent, { type: 'retry' }, [{ id: 'a', seen: '' }]);
  await expect(engine.setPaused(absent, true)).rejects.toMatchObject({ code: 'not_found' });
  await expect(engine.setPaused(absent, false)).rejects.toMatchObject({ code: 'not_found' });
  expect(await redis.keys('*absent*')).toEqual([]);
});

it('knows the layouts of BullMQ 5 and 6 only', async () => {
  const { engine, ref, redis, queue, base } = at('bullmq');
  await queue.add('send', {});
  expect(await engine.readOnlyBecause(ref)).toBeUndefined();
  await redis.hset(`${base}meta`, 'version', 'bullmq:7.0.1');
  expect(await engine.readOnlyBecause(ref)).toBe('the layout of bullmq:7.0.1 is not known');
});
