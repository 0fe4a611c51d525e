import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { failedJobs } from '../queues/failed.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { actingOn, fingerprint } from './queue-acting.js';

let server: RedisServer;
let redis: Redis;
const opened: Queue[] = [];
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()));
});

async function fill(name: string, count: number, options?: Parameters<typeof failedJobs>[3]) {
  const queue = await failedJobs(redis, name, count, options);
  opened.push(queue);
  return queue;
}

describe('which jobs', () => {
  it.each(['retry', 'cancel', 'rm', 'promote', 'redrive'])(
    '%s of nothing is a usage error that says so',
    async (verb) => {
      await fill('mail', 2);
      const { run } = actingOn(server);
      for (const argv of [[], ['--queue', 'mail'], ['--queue', 'mail', '--state', 'failed']]) {
        const { code, stderr } = await run(['queue', verb, ...argv, '--yes']);
        expect({ code, stderr }).toMatchObject({ code: 2 });
        expect(stderr).toContain('which jobs?');
        expect(stderr).toContain('--all');
      }
      expect(await redis.zcard('bull:mail:failed')).toBe(2);
    },
  );

  it('an id is found in whichever queue it is', async () => {
    await fill('mail', 3);
    await fill('sms', 0);
    const { act } = actingOn(server);
    const { code, items, summary } = await act(['retry', 'job-1', '--yes']);
    expect(code).toBe(0);
    expect(items).toMatchObject([{ queue: 'mail', id: 'job-1', result: 'done' }]);
    expect(summary).toMatchObject({ type: 'summary', total: 1, counts: { done: 1, raced: 0 } });
    expect(await redis.lrange('bull:mail:wait', 0, -1)).toEqual(['job-1']);
  });

  it('an id that is in several queues lists them, and changes nothing', async () => {
    await fill('mail', 2);
    await fill('sms', 2);
    const { run, act } = actingOn(server);
    const before = await fingerprint(redis);
    const { code, stderr } = await run(['queue', 'retry', 'job-1', '--yes']);
    expect(code).toBe(2);
    expect(stderr).toContain('main/bull:mail, main/bull:sms');
    expect(await fingerprint(redis)).toBe(before);
    expect((await act(['retry', 'job-1', '--queue', 'sms', '--yes'])).code).toBe(0);
    expect(await redis.zcard('bull:mail:failed')).toBe(2);
  });

  it('an id that is nowhere is missing, the others are done', async () => {
    await fill('mail', 2);
    const { act } = actingOn(server);
    const { code, items, summary } = await act(['retry', 'job-1', 'nope', 'job-1', '--yes']);
    expect(code).toBe(4);
    expect(items).toMatchObject([
      { id: 'nope', result: 'missing', queue: null },
      { id: 'job-1', result: 'done' },
    ]);
    expect(summary).toMatchObject({ total: 2, counts: { done: 1, missing: 1 } });
    expect((await act(['retry', 'nope', '--yes'])).code).toBe(4);
  });

  it('a queue that is not there is named, with the nearest one', async () => {
    await fill('mail', 1);
    const { run } = actingOn(server);
    const { code, stderr } = await run(['queue', 'retry', '--queue', 'mial', '--all', '--yes']);
    expect(code).toBe(2);
    expect(stderr).toContain('did you mean mail?');
  });

  it.each([
    [['retry', 'job-1', '--all'], '--all does not go with'],
    [['retry', 'job-1', '--error', 'x'], 'ids or a filter, not both'],
    [['retry', '--error', '/(/'], '--error'],
    [['retry', '--all', '--rate', '0'], '--rate'],
    [['retry', '--resume', '--error', 'x', '--dry-run'], '--resume goes on'],
    [['retry', '--resume', 'nothing'], 'there is no operation nothing'],
    [['retry', '--resume'], 'no "queue retry" is open'],
    [['clean'], 'which queues?'],
    [['clean', 'mail', '--state', 'active'], 'clean removes finished jobs'],
    [['clean', 'mail', '--keep', 'x'], '--keep'],
  ])('%j is a mistake with a clear word', async (argv, word) => {
    await fill('mail', 1);
    const { code, stderr } = await actingOn(server).run(['queue', ...argv, '--yes']);
    expect({ code, said: stderr.includes(word), stderr }).toMatchObject({ code: 2, said: true });
  });
});

describe('a filter', () => {
  it('moves exactly the jobs that match, with their priorities', async () => {
    const options = (number: number) => ({ priority: (number % 3) + 1 });
    const queue = await fill('mail', 300, { options });
    const { act, audited } = actingOn(server);
    const { code, summary, items } = await act([
      ...['retry', '--queue', 'mail', '--error', '/ETIMEDOUT/', '--yes'],
    ]);
    expect(code).toBe(0);
    expect(summary).toMatchObject({ state: 'finished', total: 150, counts: { done: 150 } });
    expect(items).toHaveLength(150);
    const waiting = await queue.getJobs(['prioritized']);
    expect(waiting.map(({ name }) => Number(name) % 2)).toEqual(waiting.map(() => 0));
    expect(waiting.map(({ name, priority }) => (Number(name) % 3) + 1 - priority)).toEqual(
      waiting.map(() => 0),
    );
    expect(audited()).toMatchObject([
      { action: 'queue retry', target: 'main mail', result: 'done', detail: { done: 150 } },
    ]);
    expect(JSON.stringify(audited())).toContain('error /ETIMEDOUT/');
  });

  it('without --json says what was not done and a summary', async () => {
    await fill('mail', 3);
    await redis.zrem('bull:mail:failed', 'job-0');
    await redis.lpush('bull:mail:active', 'job-0');
    await redis.set('bull:mail:job-0:lock', 'a-worker');
    const { run } = actingOn(server);
    const ids = ['job-0', 'job-1', 'job-2'];
    const { code, stdout } = await run(['queue', 'retry', ...ids, '--yes', '--no-color'], {
      tty: true,
      columns: 120,
    });
    expect(code).toBe(4);
    expect(stdout).toMatch(/job-0.*locked/);
    expect(stdout).not.toMatch(/job-1/);
    expect(stdout).toMatch(/done\s+2\s+waiting/);
    expect(stdout).toContain('2 of 3 done');
  });
});

describe('a dry run', () => {
  it('says what would become of each and writes nothing', async () => {
    await fill('mail', 20, { options: (number) => ({ priority: number < 4 ? 5 : 0 }) });
    const { act, run, state } = actingOn(server);
    const before = await fingerprint(redis);
    const { code, lines } = await act(['retry', '--all', '--dry-run']);
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({ jobs: 20, queues: [{ queue: 'mail', jobs: 20 }] });
    const groups = lines[0].queues[0].outcomes as { jobs: number; result: string }[];
    expect(groups.map(({ jobs, result }) => [jobs, result])).toEqual([
      [16, 'done'],
      [4, 'done'],
    ]);
    const { stdout } = await run(['queue', 'retry', '--all', '--dry-run'], { tty: true });
    expect(stdout).toContain('Nothing was changed');
    expect(await fingerprint(redis)).toBe(before);
    expect(existsSync(join(state, 'queues', 'bulk'))).toBe(false);
  });
});

describe('consent', () => {
  it('is needed without a terminal, and nothing is left behind without it', async () => {
    await fill('mail', 2);
    const { run, state } = actingOn(server);
    const { code, stderr } = await run(['queue', 'retry', '--queue', 'mail', '--all']);
    expect(code).toBe(6);
    expect(stderr).toContain('--yes');
    expect(await redis.zcard('bull:mail:failed')).toBe(2);
    expect(readdirSync(join(state, 'queues', 'bulk'))).toEqual([]);
  });

  it('in production is the name of the queue, or of the source of several', async () => {
    await fill('mail', 2);
    await fill('sms', 2);
    const { run } = actingOn(server, { environment: 'production' });
    const one = ['queue', 'retry', '--queue', 'mail', '--all'];
    expect((await run([...one, '--yes'])).code).toBe(6);
    expect((await run([...one, '--confirm', 'sms'])).code).toBe(6);
    expect(await redis.zcard('bull:mail:failed')).toBe(2);
    expect((await run([...one, '--confirm', 'mail'])).code).toBe(0);
    const both = ['queue', 'rm', '--all'];
    expect((await run([...both, '--confirm', 'mail'])).code).toBe(6);
    expect((await run([...both, '--confirm', 'main'])).code).toBe(0);
  });

  it('is asked for on a terminal with the number of jobs', async () => {
    await fill('mail', 2);
    const { run } = actingOn(server);
    const argv = ['queue', 'retry', '--queue', 'mail', '--all'];
    const no = await run(argv, { tty: true, stdin: 'n\n' });
    expect([no.code, no.stderr.includes('Retry 2 jobs of mail (main) in test?')]).toEqual([
      6,
      true,
    ]);
    expect((await run(argv, { tty: true, stdin: 'y\n' })).code).toBe(0);
  });
});

describe('the state folder', () => {
  it('that cannot be written stops it before anything is changed', async () => {
    await fill('mail', 2);
    const { run, state } = actingOn(server);
    // A file where the folder should be: also root cannot write there.
    mkdirSync(state, { recursive: true });
    writeFileSync(join(state, 'queues'), '');
    chmodSync(join(state, 'queues'), 0o400);
    const before = await fingerprint(redis);
    const { code, stderr } = await run(['queue', 'retry', '--queue', 'mail', '--all', '--yes']);
    expect(code).toBe(1);
    expect(stderr).toContain('cannot write');
    expect(await fingerprint(redis)).toBe(before);
  });
});
