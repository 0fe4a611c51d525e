import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { clientOf, redisFor, serviceFor } from '../service/harness.js';
import { clientFor, migrating } from './estate.js';

const TOKEN = 'a-token-of-the-operator';
const BEARER = { authorization: `Bearer ${TOKEN}` };

function movable(url: string) {
  return serviceFor({
    REDIS_URL: url,
    CACHE_TYPE: 'redis',
    EXPORT_TOKEN: TOKEN,
    REDIS_PREFIX: 'app',
    ENV: 'test',
  });
}

const sources = (url: string, token = TOKEN) => ({
  sources: {
    backend: {
      url: `${url}/api/export/tasks`,
      token,
      changes: `${url}/api/export/changes`,
    },
  },
});

const owner = (user: string) => ({ 'X-User-Id': user });

it('stages 0 to 2 under load: no poller sees a task missing or going back', async () => {
  const redis = await redisFor();
  const service = await movable(redis.url);
  const site = migrating(redis.url, { migration: sources(service.url) });
  const { call } = clientOf(service.url);
  const mode = async (name: string) =>
    expect((await call('PUT', '/api/export/mode', { mode: name }, BEARER)).status).toBe(200);
  const tasks = Array.from({ length: 1_500 }, (_, number) => ({
    user: `u${number % 50}`,
    task: `t${number}`,
  }));
  const put = ({ user, task }: { user: string; task: string }, progress: number) =>
    call('PUT', `/api/tasks/${task}`, { status: 'processing', progress }, owner(user));
  for (const task of tasks) await put(task, 0);

  // A third is worked on all the time; every task has a poller who never pauses.
  const faults: string[] = [];
  const seen = new Map<string, number>();
  const written = new Map<string, number>();
  let stopped = false;
  let polls = 0;
  const work = async () => {
    for (let turn = 1; !stopped; turn += 1) {
      for (const task of tasks.filter((_, index) => index % 3 === turn % 3).slice(0, 100)) {
        await put(task, turn % 100);
        written.set(task.task, turn % 100);
        if (stopped) break;
      }
    }
  };
  const poll = async (start: number) => {
    for (let index = start; !stopped; index = (index + 7) % tasks.length) {
      const { user, task } = tasks[index] as { user: string; task: string };
      const answer = await call('GET', `/api/tasks/${task}`, undefined, owner(user));
      polls += 1;
      if (answer.status !== 200) faults.push(`${task}: ${answer.status}`);
      const at = Date.parse(answer.body?.updatedAt);
      const before = seen.get(task) ?? 0;
      // Two polls of one task may overtake one another, but not by what a move would take it back.
      if (at < before - 50) faults.push(`${task}: went back ${before - at} ms`);
      seen.set(task, Math.max(before, at));
      if (polls % 20 === 0) {
        const other = await call('GET', `/api/tasks/${task}`, undefined, owner('somebody-else'));
        if (other.status !== 404) faults.push(`${task}: seen by another user`);
      }
    }
  };
  const running = Promise.all([work(), poll(0), poll(3), poll(500)]);

  await sleep(100);
  await mode('both');
  const id = await site.plan('app:backend');
  expect((await site.json(['apply', id, '--yes', '--rate', '4000'])).code).toBe(0);
  const { code, result } = await site.json(['verify', id, '--watch', '600ms', '--every', '50ms']);
  expect([code, result.agree, result.source]).toEqual([0, true, 'read']);
  await mode('redis');
  await sleep(500);
  stopped = true;
  await running;

  expect(faults).toEqual([]);
  expect(polls).toBeGreaterThan(100);
  const client = clientFor(redis.url);
  expect(await client.dbsize()).toBeGreaterThanOrEqual(1_500);
  for (const { user, task } of tasks) {
    const stored = JSON.parse((await client.get(`app:test:task:import:${user}:${task}`)) ?? '{}');
    expect(stored.progress).toBe(written.get(task) ?? 0);
  }
  // Polling survives a restart of the application now.
  await service.close();
  const next = await movable(redis.url);
  await clientOf(next.url).call('PUT', '/api/export/mode', { mode: 'redis' }, BEARER);
  const again = await clientOf(next.url).call('GET', '/api/tasks/t1', undefined, owner('u1'));
  expect(again.status).toBe(200);
});

it('the remaining time is carried over from the application', async () => {
  const redis = await redisFor();
  const service = await movable(redis.url);
  const site = migrating(redis.url, { migration: sources(service.url) });
  await clientOf(service.url).call('PUT', '/api/tasks/t', { status: 'completed' }, owner('u'));
  await sleep(1_100);
  const id = await site.plan('app:backend');
  await site.json(['apply', id, '--yes']);
  const ttl = await clientFor(redis.url).pttl('app:test:task:import:u:t');
  expect(ttl).toBeLessThan(86_400_000 - 1_000);
  expect(ttl).toBeGreaterThan(86_400_000 - 20_000);
});

it('without the right token nothing is given, and the plan says so', async () => {
  const redis = await redisFor();
  const service = await movable(redis.url);
  const { call } = clientOf(service.url);
  expect((await call('GET', '/api/export/tasks')).status).toBe(401);
  const site = migrating(redis.url, { migration: sources(service.url, 'not-the-right-token') });
  const { code, error } = await site.json(['plan', '--from', 'app:backend', '--to', 'redis:main']);
  expect([code, error.message]).toEqual([5, 'the source backend answered 401']);
  expect(error.hint).toContain('migration.sources.backend');
  expect((await site.json(['plan', '--from', 'app:other', '--to', 'redis:main'])).code).toBe(2);
});

it('a service without a token has no such routes', async () => {
  const service = await serviceFor({});
  const { call } = clientOf(service.url);
  expect((await call('GET', '/api/export/tasks', undefined, BEARER)).status).toBe(404);
});
