import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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

function at(library: Library, name = 'mail', prefix = 'bull'): Site {
  const one = site(server.url, library, name, prefix);
  open.push(one);
  return one;
}

const RETRY = { type: 'retry' } as const;

/** Jobs that are named, and jobs that a filter has chosen, most of which take a shorter way. */
const WAYS = ['apply', 'applyAsChosen'] as const;

/** The same jobs, failed, in a queue of their own: to retry by two ways and compare. */
async function failedTwins(library: Library, opts: Record<string, unknown>) {
  const sites = [at(library, 'mine'), at(library, 'theirs')] as const;
  for (const { queue, work } of sites) {
    await queue.add('send', { fail: 'ETIMEDOUT' }, { jobId: 'a', timestamp: 1, ...opts });
    await work();
  }
  return sites;
}

/** With the queue's name and the times that differ from run to run made alike. */
async function comparable({ redis, base }: Site): Promise<string> {
  const text = JSON.stringify(await keyspace(redis, `${base}*`), null, 1);
  return text.replaceAll(/bull:(mine|theirs)/g, 'bull:q').replaceAll(/"1\d{12}"/g, '"TIME"');
}

describe.each(WAYS)(
  'retry (%s) leaves the very keys that job.retry() of BullMQ 6 leaves',
  (way) => {
    it.each([
      ['a plain job', {}],
      ['a job with a priority', { priority: 7 }],
      ['a job that is to be taken last in, first out', { lifo: true }],
      ['a job that was delayed', { delay: 0, attempts: 1, removeOnFail: false }],
      ['a job that is deduplicated', { deduplication: { id: 'one' } }],
    ])('%s', async (_, opts) => {
      const [mine, theirs] = await failedTwins('bullmq', opts);
      // A worker that idles has taken the marker: both must put it back to wake it.
      await mine.redis.del(`${mine.base}marker`, `${theirs.base}marker`);
      await (await theirs.queue.getJob('a'))?.retry();
      expect(await mine[way](RETRY, 'a')).toMatchObject([{ result: 'done' }]);
      expect(await comparable(mine)).toBe(await comparable(theirs));
    });

    it('a job of a paused queue', async () => {
      const [mine, theirs] = await failedTwins('bullmq', {});
      await mine.queue.pause();
      await theirs.queue.pause();
      await (await theirs.queue.getJob('a'))?.retry();
      await mine[way](RETRY, 'a');
      expect(await comparable(mine)).toBe(await comparable(theirs));
    });
  },
);

describe.each(LIBRARIES)('the very keys that %s itself leaves', (library) => {
  it.each([
    ['a plain job', {}],
    ['a job with a priority', { priority: 7 }],
  ])('after a promotion of %s', async (_, opts) => {
    const sites = [at(library, 'mine'), at(library, 'theirs')] as const;
    for (const { queue, redis, base } of sites) {
      await queue.add('send', {}, { jobId: 'a', timestamp: 1, delay: 60_000, ...opts });
      await redis.del(`${base}marker`);
    }
    const [mine, theirs] = sites;
    await (await theirs.queue.getJob('a'))?.promote();
    await mine.apply({ type: 'promote' }, 'a');
    expect(await comparable(mine)).toBe(await comparable(theirs));
  });

  it.each([
    ['a failed job', { fail: 'no' }, {}],
    ['a waiting job', {}, { delay: 60_000, deduplication: { id: 'one' } }],
  ])('after the removal of %s', async (_, data, opts) => {
    const sites = [at(library, 'mine'), at(library, 'theirs')] as const;
    for (const { queue, work } of sites) {
      await queue.add('send', data, { jobId: 'a', timestamp: 1, ...opts });
      await queue.add('send', data, { jobId: 'b', timestamp: 1 });
      if ('fail' in data) await work();
    }
    const [mine, theirs] = sites;
    await (await theirs.queue.getJob('a'))?.remove();
    await mine.apply({ type: 'remove', cascade: false }, 'a');
    expect(await comparable(mine)).toBe(await comparable(theirs));
  });
});

describe.each(LIBRARIES.flatMap((library) => WAYS.map((way) => [library, way] as const)))(
  'retry on %s (%s)',
  (library, way) => {
    it('does nothing where the chunk cannot be noted', async () => {
      const { queue, work, engine, ref, redis, base } = at(library);
      await queue.add('send', { fail: 'ETIMEDOUT' }, { jobId: 'a' });
      await work();
      const before = await keyspace(redis, `${base}*`);
      const noted = Promise.reject(new Error('the disk is full'));
      noted.catch(() => {});
      const applying = engine.apply(ref, RETRY, [{ id: 'a', seen: '' }], noted);
      await expect(applying).rejects.toThrow('the disk is full');
      expect(await keyspace(redis, `${base}*`)).toEqual(before);
    });

    it('of a child gives nothing back to a parent that has been released meanwhile', async () => {
      const children = at(library, 'child');
      const parents = at(library, 'parent');
      const opts = { jobId: 'c', continueParentOnFailure: true };
      await new (bullmq(library).FlowProducer)({ connection: parents.redis }).add({
        name: 'p',
        queueName: 'parent',
        opts: { jobId: 'p' },
        children: [{ name: 'c', queueName: 'child', data: { fail: 'no' }, opts }],
      });
      await children.work();
      expect(await children[way](RETRY, 'c')).toMatchObject([
        { detail: 'waiting, its parent parent:p goes on without it' },
      ]);
      await parents.work();
      expect(await (await parents.queue.getJob('p'))?.getState()).toBe('completed');
    });

    it.each(['no json', '{"a":', "{'a': 1}", '[1', ''])(
      'leaves a job alone whose data is %j',
      async (data) => {
        const { queue, work, [way]: apply, redis, base } = at(library);
        for (const jobId of ['a', 'b']) await queue.add('send', { fail: 'no' }, { jobId });
        await work();
        await redis.hset(`${base}a`, 'data', data);
        expect(await apply(RETRY, 'a', 'b')).toMatchObject([
          { result: 'conflict', detail: 'its data is not JSON: no worker could read it' },
          { result: 'done' },
        ]);
        expect(await redis.lrange(`${base}wait`, 0, -1)).toEqual(['b']);
      },
    );

    it('leaves a failed job alone that a worker still holds', async () => {
      const { queue, work, [way]: apply, redis, base } = at(library);
      for (const jobId of ['a', 'b']) await queue.add('send', { fail: 'no' }, { jobId });
      await work();
      await redis.set(`${base}a:lock`, 'token');
      expect((await apply(RETRY, 'a', 'b')).map(({ result }) => result)).toEqual([
        'locked',
        'done',
      ]);
    });

    it('of more jobs than one call takes wakes those with a priority in their order', async () => {
      const { queue, work, [way]: apply, redis, base } = at(library);
      const ids = Array.from({ length: 250 }, (_, n) => `job-${n}`);
      await queue.addBulk(
        ids.map((jobId, n) => ({
          name: 'send',
          data: { fail: 'no' },
          opts: { jobId, ...(n % 5 === 0 && { priority: 1 + (n % 2) }) },
        })),
      );
      await work();
      expect((await apply(RETRY, ...ids)).every(({ result }) => result === 'done')).toBe(true);
      const plain = ids.filter((_, n) => n % 5 !== 0);
      expect((await redis.lrange(`${base}wait`, 0, -1)).toReversed()).toEqual(plain);
      expect(await redis.zrange(`${base}prioritized`, '0', '-1')).toEqual([
        ...ids.filter((_, n) => n % 10 === 0),
        ...ids.filter((_, n) => n % 10 === 5),
      ]);
    });

    it('keeps the priority, and says so', async () => {
      const { queue, work, [way]: apply, redis, base } = at(library);
      await queue.add('send', { fail: 'no' }, { jobId: 'a', priority: 3 });
      await work();
      expect(await apply(RETRY, 'a')).toMatchObject([
        { result: 'done', detail: 'waiting, priority 3' },
      ]);
      expect(await redis.zrange(`${base}prioritized`, '0', '-1')).toEqual(['a']);
      expect(await redis.exists(`${base}wait`)).toBe(0);
    });

    it('leaves a job alone that has failed anew since it was chosen', async () => {
      const { queue, work, seen, engine, ref, apply } = at(library);
      await queue.add('send', { fail: 'no' }, { jobId: 'a' });
      await work();
      const before = await seen('a');
      await apply(RETRY, 'a');
      await work();
      const outcome = (text: string) => engine.apply(ref, RETRY, [{ id: 'a', seen: text }]);
      expect(await outcome(before)).toMatchObject([{ result: 'raced', detail: 'failed anew' }]);
      expect(await outcome(await seen('a'))).toMatchObject([{ result: 'done' }]);
    });

    it('tells what it left alone: waiting, running, unknown, a ghost, not a job', async () => {
      const { queue, work, [way]: apply, redis, base } = at(library);
      await queue.add('send', { leave: true }, { jobId: 'runs' });
      await work();
      await queue.add('send', {}, { jobId: 'waits' });
      await redis.zadd(`${base}failed`, '1', 'ghost');
      await redis.hset(`${base}torn`, 'data', '{');
      await redis.zadd(`${base}failed`, '1', 'torn');
      await redis.set(`${base}text`, 'x');
      const before = await keyspace(redis);
      const ids = ['waits', 'runs', 'never', 'ghost', 'torn', 'text', 'meta', 'wait'];
      const outcomes = await apply(RETRY, ...ids);
      expect(outcomes.map(({ id, result }) => `${id} ${result}`)).toEqual([
        'waits raced',
        way === 'apply' ? 'runs locked' : 'runs raced',
        'never missing',
        'ghost missing',
        'torn conflict',
        'text conflict',
        'meta conflict',
        'wait conflict',
      ]);
      expect(await keyspace(redis)).toEqual(before);
    });

    it('moves a job once that is named twice', async () => {
      const { queue, work, [way]: apply, redis, base } = at(library);
      await queue.add('send', { fail: 'no' }, { jobId: 'a' });
      await work();
      expect(await apply(RETRY, 'a', 'a')).toMatchObject([{ result: 'done' }, { result: 'raced' }]);
      expect(await redis.lrange(`${base}wait`, 0, -1)).toEqual(['a']);
    });

    it('trips over nothing in the keys of one job, and loses no other for it', async () => {
      const { queue, work, [way]: apply, redis, base } = at(library);
      for (const jobId of ['a', 'b', 'c']) await queue.add('send', { fail: 'no' }, { jobId });
      await work();
      await redis.hset(`${base}b`, 'parentKey', `${base}c`);
      await redis.set(`${base}c:unsuccessful`, 'no set');
      const results = (await apply(RETRY, 'a', 'b', 'c')).map(({ result }) => result);
      expect(results).toEqual(['done', 'conflict', 'done']);
      expect(await redis.lrange(`${base}wait`, 0, -1)).toEqual(['c', 'a']);
      expect(await redis.zrange(`${base}failed`, '0', '-1')).toEqual(['b']);
    });

    it('loses no job where events cannot be written', async () => {
      const { queue, work, engine, ref, redis, base } = at(library);
      for (const jobId of ['a', 'b']) await queue.add('send', { fail: 'no' }, { jobId });
      await work();
      // Redis refuses it within the script, in the middle of a job.
      await redis.call('ACL', 'SETUSER', 'op', 'on', '>pw', '~*', '+@all', '-xadd');
      const other = site(server.url.replace('redis://', 'redis://op:pw@'), library, 'mail');
      open.push(other);
      const times = await redis.zmscore(`${base}failed`, 'a', 'b');
      const seen = way === 'apply' ? [] : times;
      const jobs = ['a', 'b'].map((id, at) => ({ id, seen: seen[at] ?? '' }));
      await expect(other.engine.apply(ref, RETRY, jobs)).rejects.toMatchObject({ code: 'refused' });
      expect(await redis.lrange(`${base}wait`, 0, -1)).toEqual(['a']);
      expect(await redis.zrange(`${base}failed`, '0', '-1')).toEqual(['b']);
      await engine.apply(ref, RETRY, jobs);
      expect((await redis.lrange(`${base}wait`, 0, -1)).sort()).toEqual(['a', 'b']);
    });

    it('previews without writing, and decides as the retry then does', async () => {
      const { queue, work, [way]: apply, preview, redis, base } = at(library);
      await queue.add('send', { fail: 'no' }, { jobId: 'a', priority: 9 });
      await work();
      await queue.add('send', {}, { jobId: 'b' });
      await redis.zadd(`${base}failed`, '1', 'ghost');
      const before = await keyspace(redis);
      const foreseen = await preview(RETRY, 'a', 'b', 'ghost');
      expect(await keyspace(redis)).toEqual(before);
      const happened = await apply(RETRY, 'a', 'b', 'ghost');
      expect(foreseen.map(({ result, becomes }) => [result, becomes])).toEqual(
        happened.map(({ result, detail }) => [result, detail]),
      );
    });

    it('puts a job of a paused queue where its resume finds it', async () => {
      const { queue, work, [way]: apply, redis, base } = at(library);
      await queue.add('send', { fail: 'no' }, { jobId: 'a' });
      await work();
      await queue.add('send', {}, { jobId: 'b' });
      await queue.pause();
      expect(await apply(RETRY, 'a')).toMatchObject([{ detail: 'waiting, the queue is paused' }]);
      await queue.resume();
      expect(await redis.lrange(`${base}wait`, 0, -1)).toEqual(['a', 'b']);
    });

    it.each([
      ['fails', { failParentOnFailure: true }],
      ['is ignored', { ignoreDependencyOnFailure: true }],
      ['does not stop the parent', { continueParentOnFailure: true }],
      ['is dropped', { removeDependencyOnFailure: true }],
      ['holds the parent up', {}],
    ])('of a child whose failure %s brings the flow to its end', async (_, opts) => {
      const children = at(library, 'child');
      const parents = at(library, 'parent');
      const flows = new (bullmq(library).FlowProducer)({ connection: parents.redis });
      const child = {
        name: 'c',
        queueName: 'child',
        data: { fail: 'no' },
        opts: { jobId: 'c', ...opts },
      };
      const other = { name: 'c', queueName: 'child', opts: { jobId: 'd' } };
      await flows.add({
        name: 'p',
        queueName: 'parent',
        opts: { jobId: 'p' },
        children: [child, other],
      });
      await children.work();
      await parents.work();
      await (await children.queue.getJob('c'))?.updateData({});
      expect(await children[way](RETRY, 'c')).toMatchObject([{ result: 'done' }]);
      await children.work();
      if ('failParentOnFailure' in opts) await parents[way](RETRY, 'p');
      await parents.work();
      expect(await (await children.queue.getJob('c'))?.getState()).toBe('completed');
      expect(await (await parents.queue.getJob('p'))?.getState()).toBe('completed');
    });
  },
);
