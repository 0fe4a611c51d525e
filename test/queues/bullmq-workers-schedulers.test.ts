import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { LIBRARIES, type Library, type Site, site, startWorker } from './bullmq-writing.js';

let server: RedisServer;
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => server.stop());

async function ticking(library: Library, repeat: { every?: number; pattern?: string }) {
  const one = site(server.url, library, 'ticks');
  await one.redis.flushall();
  ends.push(() => one.close());
  await one.queue.upsertJobScheduler('tick', repeat, { name: 'tick', data: {} });
  const worker = await startWorker(library, 'ticks', server.url);
  ends.push(() => worker.stop());
  const ticks = (more: number) => {
    const goal = worker.ran().length + more;
    return until(() => worker.ran().length >= goal, { what: `${more} more ticks` });
  };
  await ticks(1);
  return { ...one, worker, ticks };
}

async function next({ queue }: Site): Promise<string> {
  let id: string | undefined;
  await until(async () => {
    id = (await queue.getDelayed())[0]?.id;
    return id !== undefined;
  });
  return id as string;
}

const ANY = [{ every: 400 }, { pattern: '* * * * * *' }];

describe.each(LIBRARIES)('a scheduler of %s', (library) => {
  it.each(ANY)(
    '%o keeps ticking through rm, cancel and promote of its next iteration',
    async (repeat) => {
      const one = await ticking(library, repeat);
      for (const operation of [{ type: 'remove', cascade: true }, { type: 'cancel' }] as const) {
        const id = await next(one);
        const [outcome] = await one.apply(operation, id);
        expect(['scheduled', 'locked', 'raced', 'fenced']).toContain(outcome?.result);
        await one.ticks(1);
      }
      for (const _ of [1, 2]) {
        await one.apply({ type: 'promote' }, await next(one));
        await one.ticks(2);
      }
      const ran = one.worker.ran();
      expect(new Set(ran).size).toBe(ran.length);
      expect(ran).not.toContain(undefined);
      expect(await one.queue.getDelayedCount()).toBeLessThanOrEqual(1);
    },
  );

  it('keeps ticking through the removal and the retry of iterations that have ended', async () => {
    const one = await ticking(library, { every: 400 });
    await one.queue.upsertJobScheduler(
      'tick',
      { every: 400 },
      { name: 'tick', data: { fail: 'no' } },
    );
    await until(async () => (await one.queue.getFailedCount()) >= 2);
    const [first, second] = await one.queue.getFailed();
    await one.queue.upsertJobScheduler('tick', { every: 400 }, { name: 'tick', data: {} });
    expect(await one.apply({ type: 'retry' }, first?.id as string)).toMatchObject([
      { result: 'done' },
    ]);
    const remove = { type: 'remove', cascade: false } as const;
    expect(await one.apply(remove, second?.id as string)).toMatchObject([{ result: 'done' }]);
    await one.ticks(3);
    expect(await one.queue.getDelayedCount()).toBeLessThanOrEqual(1);
    expect(await one.queue.getJobSchedulersCount()).toBe(1);
  });

  it('says of its next iteration that the scheduler owns it, also while it waits in a paused queue', async () => {
    const one = await ticking(library, { every: 400 });
    await one.engine.setPaused(one.ref, true);
    const scheduled = [{ result: 'scheduled', scheduler: 'tick' }];
    const at = await one.redis.zscore(`${one.base}repeat`, 'tick');
    const id = `repeat:tick:${at}`;
    expect(await one.preview({ type: 'cancel' }, id)).toMatchObject(scheduled);
    expect(await one.preview({ type: 'remove', cascade: true }, id)).toMatchObject(scheduled);
    await one.engine.setPaused(one.ref, false);
    await one.ticks(1);
  });
});

it('a repeated job of BullMQ 5 from before there were schedulers is known as well', async () => {
  const one = site(server.url, 'bullmq5', 'old');
  ends.push(() => one.close());
  await one.redis.flushall();
  await one.queue.add('tick', {}, { repeat: { every: 60_000 } } as object);
  const id = await next(one);
  expect(await one.apply({ type: 'cancel' }, id)).toMatchObject([{ result: 'scheduled' }]);
  expect(await one.apply({ type: 'remove', cascade: true }, id)).toMatchObject([
    { result: 'scheduled' },
  ]);
  const worker = await startWorker('bullmq5', 'old', server.url);
  ends.push(() => worker.stop());
  expect(await one.apply({ type: 'promote' }, id)).toMatchObject([{ result: 'done' }]);
  await until(() => worker.saw('ran', id));
  expect(await next(one)).not.toBe(id);
});
