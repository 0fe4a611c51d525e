import type { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { failedJobs } from '../queues/failed.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { actingOn, fingerprint } from './queue-acting.js';

const DAY = 86_400_000;

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

async function fill(name: string, count: number, age: number) {
  opened.push(await failedJobs(redis, name, count, { now: Date.now() - age }));
}

describe('queue clean', () => {
  it('removes what is old and keeps the newest 50 failed', async () => {
    await fill('mail', 80, 2 * DAY);
    const { act, audited } = actingOn(server);
    const { code, summary } = await act(['clean', 'mail', '--yes']);
    expect(code).toBe(0);
    expect(summary).toMatchObject({ action: 'clean', counts: { done: 30 } });
    const left = await redis.zrange('bull:mail:failed', '0', '-1');
    expect(left).toEqual(Array.from({ length: 50 }, (_, at) => `job-${30 + at}`));
    expect(await redis.exists('bull:mail:job-0')).toBe(0);
    expect(audited()).toMatchObject([{ action: 'queue clean', result: 'done' }]);
  });

  it('keeps what is younger than it is told, however many there are', async () => {
    await fill('mail', 80, 3_600_000);
    const { act } = actingOn(server);
    expect((await act(['clean', 'mail', '--yes'])).summary).toMatchObject({ total: 0 });
    const argv = ['clean', 'mail', '--older-than', '30m', '--keep', '79', '--yes'];
    expect((await act(argv)).summary).toMatchObject({ counts: { done: 1 } });
    expect(await redis.exists('bull:mail:job-0')).toBe(0);
  });

  it('goes over every queue only when it is told to', async () => {
    await fill('mail', 3, 2 * DAY);
    await fill('sms', 3, 2 * DAY);
    const { act } = actingOn(server);
    const none = await act(['clean', '--yes']);
    expect([none.code, none.stderr.includes('which queues?')]).toEqual([2, true]);
    const all = await act(['clean', '--all', '--keep', '1', '--state', 'failed', '--yes']);
    expect(all.summary).toMatchObject({ counts: { done: 4 } });
    expect(all.summary.queues).toHaveLength(2);
  });

  it('a dry run names the number and the parent, and writes nothing', async () => {
    await fill('mail', 60, 2 * DAY);
    await redis.hset(
      'bull:mail:job-0',
      'parentKey',
      'bull:mail:p',
      'parent',
      '{"id":"p","queueKey":"bull:mail"}',
    );
    await redis.hset('bull:mail:p', 'name', 'parent', 'data', '{}', 'timestamp', '1');
    await redis.zadd('bull:mail:waiting-children', 1, 'p');
    await redis.sadd('bull:mail:p:dependencies', 'bull:mail:job-0');
    const { act, run } = actingOn(server);
    const before = await fingerprint(redis);
    const { lines } = await act(['clean', 'mail', '--dry-run']);
    expect(lines[0]).toMatchObject({ jobs: 10, queues: [{ parents: { count: 1 } }] });
    const { stdout } = await run(['queue', 'clean', 'mail', '--dry-run'], {
      tty: true,
      columns: 150,
    });
    expect(stdout).toMatch(/1 parent of a flow: .*p/);
    expect(await fingerprint(redis)).toBe(before);
    const { code, summary } = await act(['clean', 'mail', '--yes']);
    expect([code, summary.counts]).toMatchObject([4, { done: 9, conflict: 1 }]);
    expect(await redis.exists('bull:mail:job-0', 'bull:mail:p')).toBe(2);
    expect((await act(['clean', 'mail', '--cascade', '--yes'])).code).toBe(0);
    expect(await redis.exists('bull:mail:job-0')).toBe(0);
  });
});

describe('queue pause and resume', () => {
  it('changes it once, says so, and notes it in the audit log', async () => {
    const queue = await failedJobs(redis, 'mail', 1);
    opened.push(queue);
    const { act, run, audited } = actingOn(server);
    const states: unknown[] = [];
    for (const verb of ['pause', 'pause', 'resume', 'resume']) {
      const { code, lines } = await act([verb, 'mail', '--yes']);
      states.push([code, lines[0].result, await queue.isPaused()]);
    }
    expect(states).toEqual([
      [0, 'done', true],
      [0, 'already', true],
      [0, 'done', false],
      [0, 'already', false],
    ]);
    expect(audited().map(({ action }) => action)).toEqual(['queue pause', 'queue resume']);
    const { stdout } = await run(['queue', 'pause', 'mail', '--dry-run'], { tty: true });
    expect(stdout).toContain('that would be changed');
    expect(await queue.isPaused()).toBe(false);
  });

  it('needs consent, and a queue that is there', async () => {
    opened.push(await failedJobs(redis, 'mail', 1));
    const { run } = actingOn(server, { environment: 'production' });
    expect((await run(['queue', 'pause', 'mail', '--yes'])).code).toBe(6);
    expect((await run(['queue', 'pause', 'mail', '--confirm', 'mail'])).code).toBe(0);
    expect((await run(['queue', 'pause', 'none', '--confirm', 'none'])).code).toBe(2);
  });
});
