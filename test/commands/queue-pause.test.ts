import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { configured } from '../health/estate.js';
import { LIBRARIES, type Library, type Site, site, startWorker } from '../queues/bullmq-writing.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { fingerprint } from './queue-acting.js';

let server: RedisServer;
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => server.stop());

/** The application's side: a queue `mail` on an empty Redis, or a second library on the same one. */
async function application(library: Library, { empty = true } = {}): Promise<Site> {
  const one = site(server.url, library, 'mail');
  ends.push(() => one.close());
  if (empty) await one.redis.flushall();
  await one.queue.waitUntilReady();
  return one;
}

/** The operator's side; `version` as the configuration may say it. */
function operator(version?: unknown) {
  const { run } = configured({
    redis: { main: { url: server.url } },
    queues: [{ engine: 'bullmq', redis: 'main', ...(version !== undefined && { version }) }],
  });
  return async (...argv: string[]) => {
    const { code, stdout, stderr } = await run([...argv, '--json']);
    return {
      code,
      result: stdout && JSON.parse(stdout),
      error: stderr && JSON.parse(stderr).error,
    };
  };
}

const pause = (...more: string[]) => ['queue', 'pause', 'mail', ...more];

describe.each(LIBRARIES)('an application of %s', (library) => {
  it('adds while the operator has paused, and resumes: all jobs run', async () => {
    const { queue, redis, base } = await application(library);
    const worker = await startWorker(library, 'mail', server.url);
    ends.push(() => worker.stop());
    const cli = operator();
    expect((await cli(...pause('--yes'))).result).toMatchObject({ paused: true, result: 'done' });
    for (const id of ['a', 'b', 'c']) await queue.add('send', {}, { jobId: id });
    await queue.add('send', {}, { jobId: 'later', delay: 1 });
    await until(async () => (await redis.zcard(`${base}delayed`)) === 0);
    expect(worker.ran()).toEqual([]);
    const { result } = await cli('queue', 'ls', 'mail');
    expect(result.queues[0]).toMatchObject({ waiting: 4, paused: true });
    await queue.resume();
    await until(() => worker.ran().length === 4);
    expect(worker.ran().sort()).toEqual(['a', 'b', 'c', 'later']);
  });

  it('pauses and adds, and the operator resumes: all jobs run', async () => {
    const { queue } = await application(library);
    await queue.add('send', {}, { jobId: 'before' });
    await queue.pause();
    await queue.add('send', {}, { jobId: 'meanwhile' });
    expect((await operator()('queue', 'resume', 'mail', '--yes')).result).toMatchObject({
      paused: false,
      result: 'done',
    });
    const worker = await startWorker(library, 'mail', server.url);
    ends.push(() => worker.stop());
    await until(() => worker.ran().length === 2);
  });
});

describe('where BullMQ 5 and 6 meet', () => {
  it('a pause is refused with exit 6, in a dry run too, and nothing is changed', async () => {
    const six = await application('bullmq');
    await six.queue.add('send', {});
    await six.queue.pause();
    const five = await application('bullmq5', { empty: false });
    await five.queue.add('send', {});
    const before = await fingerprint(six.redis);
    for (const flag of ['--yes', '--dry-run']) {
      expect(await operator()(...pause(flag))).toMatchObject({
        code: 6,
        error: {
          message: 'BullMQ 5 and 6 both use mail: a pause would lose jobs',
          hint: expect.stringContaining('cache-ops queue resume mail'),
        },
      });
    }
    expect(await fingerprint(six.redis)).toBe(before);
  });

  it.each([5, 6])('the configuration may say that all use %i', async (version) => {
    const one = await application(version === 5 ? 'bullmq5' : 'bullmq');
    await one.queue.add('send', {});
    await one.redis.hdel(`${one.base}meta`, 'version');
    const refused = await operator()(...pause('--yes'));
    expect(refused).toMatchObject({ code: 6, error: { code: 'refused' } });
    expect(refused.error.hint).toContain('version: 5');
    const told = operator(version);
    expect((await told(...pause('--dry-run'))).result.result).toBe('would be done');
    expect((await told(...pause('--yes'))).result.result).toBe('done');
    const list = version === 5 ? 'paused' : 'wait';
    expect(await one.redis.llen(`${one.base}${list}`)).toBe(1);
    expect(await one.queue.isPaused()).toBe(true);
  });

  it('what is told does not have a pause overwrite jobs that are left behind', async () => {
    const five = await application('bullmq5');
    await five.redis.lpush(`${five.base}paused`, 'left');
    await five.queue.add('send', {});
    for (const flag of ['--dry-run', '--yes']) {
      const { code, error } = await operator(5)(...pause(flag));
      expect([code, error.code]).toEqual([6, 'refused']);
    }
    expect(await five.redis.llen(`${five.base}paused`)).toBe(1);
  });

  it('another version in the configuration is a problem that config check tells', async () => {
    const { code, result } = await operator(7)('config', 'check');
    expect(code).toBe(2);
    expect(result.problems[0]).toMatchObject({ message: 'expected one of 5, 6' });
  });
});
