import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { keyspace, LIBRARIES, type Library, type Site, site } from './bullmq-writing.js';

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

async function at(library: Library, name = 'mail'): Promise<Site> {
  const one = site(server.url, library, name);
  open.push(one);
  // Its version is in `meta` from now on.
  await one.queue.waitUntilReady();
  await one.redis.exists(`${one.base}meta`);
  return one;
}

async function ranIds({ queue, work }: Site) {
  await work();
  return (await queue.getCompleted()).map(({ id }) => id).sort();
}

describe.each(LIBRARIES)('pause of a queue of %s', (library) => {
  it('leaves the very keys that its own pause and resume leave', async () => {
    const [mine, theirs] = [await at(library, 'mine'), await at(library, 'theirs')];
    const compare = async () => {
      const [a, b] = await Promise.all(
        [mine, theirs].map(async ({ redis, base }) =>
          JSON.stringify(await keyspace(redis, `${base}*`))
            .replaceAll(/bull:(mine|theirs)/g, 'bull:q')
            .replaceAll(/"1\d{12}"/g, '"TIME"'),
        ),
      );
      expect(a).toBe(b);
    };
    for (const { queue } of [mine, theirs]) {
      await queue.add('send', {}, { jobId: 'a', timestamp: 1 });
      await queue.add('send', {}, { jobId: 'b', timestamp: 1, priority: 2 });
    }
    expect(await mine.engine.setPaused(mine.ref, true)).toBe('done');
    expect(await mine.engine.setPaused(mine.ref, true)).toBe('already');
    await theirs.queue.pause();
    await compare();
    expect(await mine.engine.setPaused(mine.ref, false)).toBe('done');
    expect(await mine.engine.setPaused(mine.ref, false)).toBe('already');
    await theirs.queue.resume();
    await compare();
  });

  it('holds the jobs, those added meanwhile too, until its application resumes', async () => {
    const one = await at(library);
    for (const id of ['a', 'b']) await one.queue.add('send', {}, { jobId: id });
    await one.engine.setPaused(one.ref, true);
    for (const id of ['c', 'd']) await one.queue.add('send', {}, { jobId: id });
    expect(await ranIds(one)).toEqual([]);
    await one.queue.resume();
    expect(await ranIds(one)).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('where BullMQ 5 and 6 meet', () => {
  it('refuses a pause over traces of both, and a resume brings all jobs back, the oldest first', async () => {
    const six = await at('bullmq');
    for (const id of ['a', 'b']) await six.queue.add('send', {}, { jobId: id });
    await six.queue.pause();
    const five = await at('bullmq5');
    await five.queue.add('send', {}, { jobId: 'c' });
    await expect(six.engine.setPaused(six.ref, true)).rejects.toMatchObject({
      code: 'refused',
      message: 'BullMQ 5 and 6 both use mail: a pause would lose jobs',
    });
    expect(await six.engine.setPaused(six.ref, false)).toBe('done');
    expect(await ranIds(six)).toEqual(['a', 'b', 'c']);
  });

  it('refuses a pause while jobs of an earlier one are left behind, and a resume merges thousands', async () => {
    const five = await at('bullmq5');
    const ids = Array.from({ length: 2500 }, (_, index) => `old${index}`);
    await five.redis.lpush(`${five.base}paused`, ...ids);
    await five.redis.lpush(`${five.base}wait`, 'new0', 'new1');
    await expect(five.engine.setPaused(five.ref, true)).rejects.toMatchObject({ code: 'refused' });
    expect(await five.engine.setPaused(five.ref, false)).toBe('done');
    expect((await five.redis.lrange(`${five.base}wait`, 0, -1)).reverse()).toEqual([
      ...ids,
      'new0',
      'new1',
    ]);
    expect(await five.redis.exists(`${five.base}paused`)).toBe(0);
  });

  it('refuses a pause where nothing says which of them uses the queue', async () => {
    const six = await at('bullmq');
    await six.redis.hdel(`${six.base}meta`, 'version');
    await expect(six.engine.setPaused(six.ref, true)).rejects.toMatchObject({
      code: 'refused',
      message: 'which BullMQ uses mail is not known (no version noted)',
    });
  });
});
