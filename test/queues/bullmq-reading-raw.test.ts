import { Redis } from 'ioredis';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
} from 'vitest';
import { parseMeta } from '../../src/queues/bullmq/keys.js';
import type { Job } from '../../src/queues/job.js';
import { shapeOf } from '../../src/queues/shape.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { type Operator, operator } from './bullmq.js';

let server: RedisServer;
let redis: Redis;
let op: Operator;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => {
  op = operator(server.url, ['bull', '{app:eu}:jobs']);
});
afterEach(async () => {
  op.close();
  await redis.flushall();
});

const now = 1_700_000_000_000;

/** Jobs as they lie in Redis, each with a name, data and time. */
async function lay(queue: string, part: string, scores: Record<string, number> | string[]) {
  const ids = Array.isArray(scores) ? scores : Object.keys(scores);
  const pipeline = redis.pipeline();
  pipeline.hset(`bull:${queue}:meta`, 'opts.maxLenEvents', '10000');
  for (const id of ids) {
    const fields = { name: 'j', data: '{}', opts: '{}', timestamp: now, failedReason: 'why' };
    pipeline.hset(`bull:${queue}:${id}`, fields);
  }
  if (Array.isArray(scores)) pipeline.rpush(`bull:${queue}:${part}`, ...ids);
  else pipeline.zadd(`bull:${queue}:${part}`, ...ids.flatMap((id) => [scores[id] as number, id]));
  await pipeline.exec();
}

const numbered = (count: number, score: (n: number) => number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`job-${n}`, score(n)]));

const idsOf = (jobs: Job[]) => jobs.map(({ id }) => id);

/** Reads page by page, and lets somebody else do something after each. */
async function reading(queue: string, state: Job['state'], between: (page: Job[]) => unknown) {
  const ids: string[] = [];
  for await (const page of op.jobs(op.ref(queue), { states: [state] })) {
    expect(page.length).toBeLessThanOrEqual(1_000);
    ids.push(...idsOf(page));
    await between(page);
  }
  return ids;
}

describe('discovery', () => {
  it('finds queues under any prefix, with tags and colons, and nothing that only looks like one', async () => {
    for (const queue of [
      'bull:mail',
      'bull:asl:title-screening',
      '{bull}:mail',
      'bull:{q}',
      '{app:eu}:jobs:import',
      'staging:mail',
    ])
      await redis.hset(`${queue}:meta`, 'opts.maxLenEvents', '10000');
    // Opened by BullMQ with skipMetasUpdate and paused later, or by one that says its version only.
    await redis.hset('bull:versioned:meta', 'version', 'bullmq:6.7.0');
    await redis.hset('bull:somebody:meta', 'else', '1');
    await redis.set('bull:text:meta', 'x');
    await redis.set('meta', 'x');
    await redis.hset(':meta', 'version', '1');
    const queues = await op.discover();
    expect(queues.map(({ scope, queue }) => [scope, queue])).toEqual([
      ['bull', 'asl:title-screening'],
      ['bull', 'mail'],
      ['bull', 'versioned'],
      ['bull', '{q}'],
      ['staging', 'mail'],
      ['{app:eu}:jobs', 'import'],
      ['{bull}', 'mail'],
    ]);
    await redis.del('bull:mail:meta');
    const left = await op.existing(queues);
    expect(left).toEqual(queues.filter(({ scope, queue }) => scope !== 'bull' || queue !== 'mail'));
  });

  it('takes the longest prefix that fits', () => {
    const parse = (key: string, ...prefixes: string[]) => parseMeta(key, prefixes);
    expect(parse('bull:eu:mail:meta', 'bull', 'bull:eu')).toEqual({
      scope: 'bull:eu',
      queue: 'mail',
    });
    expect(parse('bull:eu:mail:meta', 'bull')).toEqual({ scope: 'bull', queue: 'eu:mail' });
    expect(parse('bull:eu:mail:meta')).toEqual({ scope: 'bull:eu', queue: 'mail' });
    expect(parse('bull:meta', 'bull')).toBeUndefined();
  });

  it('finds a job among many queues, and takes no key of a queue for one', async () => {
    for (const queue of ['a', 'b', 'c'])
      await lay(
        queue,
        'failed',
        numbered(2, (n) => n),
      );
    await lay('b', 'failed', { only: 3 });
    const queues = await op.discover();
    expect(idsOf2(await op.holding(queues, 'only'))).toEqual(['b']);
    expect(idsOf2(await op.holding(queues, 'job-1'))).toEqual(['a', 'b', 'c']);
    expect(await op.holding(queues, 'failed')).toEqual([]);
    expect(await op.holding(queues, 'meta')).toEqual([]);
    expect(await op.show(op.ref('a'), 'meta')).toBeUndefined();
  });

  const idsOf2 = (queues: { queue: string }[]) => queues.map(({ queue }) => queue);
});

describe('pages of a sorted set', () => {
  const sorted = (scores: Record<string, number>) =>
    Object.keys(scores).sort(
      (a, b) => (scores[b] as number) - (scores[a] as number) || (a < b ? 1 : -1),
    );

  it.each([
    ['different', (n: number) => now + n],
    ['few', (n: number) => now + (n % 3)],
    ['all the same', () => now],
  ])('have every job once, newest first, with scores that are %s', async (_, score) => {
    const scores = numbered(2_500, score);
    await lay('q', 'failed', scores);
    expect(await reading('q', 'failed', () => {})).toEqual(sorted(scores));
  });

  it.each([
    ['different', (n: number) => now + n],
    ['all the same', () => now],
  ])(
    'skip none when those that were read are moved away, with scores that are %s',
    async (_, score) => {
      const scores = numbered(2_500, score);
      await lay('q', 'failed', scores);
      const ids = await reading('q', 'failed', (page) =>
        redis.zrem('bull:q:failed', ...idsOf(page)),
      );
      expect(ids).toEqual(sorted(scores));
      await lay('q', 'failed', scores);
      // Every second one, as a filter would choose them, and the one at which the page ended among them.
      const half = await reading('q', 'failed', (page) =>
        redis.zrem('bull:q:failed', ...idsOf(page).filter((_id, n) => (page.length - n) % 2 === 1)),
      );
      expect(half).toEqual(sorted(scores));
    },
  );

  it('yield none twice when new ones come and old ones fail anew', async () => {
    const scores = numbered(2_500, (n) => now + Math.floor(n / 7));
    await lay('q', 'failed', scores);
    let fresh = 0;
    const ids = await reading('q', 'failed', async (page) => {
      await lay('q', 'failed', { [`new-${fresh}`]: now + 1e6 });
      fresh += 1;
      for (const id of idsOf(page).slice(0, 20)) await redis.zadd('bull:q:failed', now + 2e6, id);
    });
    expect(ids).toEqual(sorted(scores));
  });

  it('hold the jobs of a span of time only', async () => {
    await lay(
      'q',
      'completed',
      numbered(1_500, (n) => now + n),
    );
    await redis.eval(
      "for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('HSET', 'bull:q:' .. id, 'finishedOn', redis.call('ZSCORE', KEYS[1], id)) end",
      1,
      'bull:q:completed',
    );
    const filter = { states: ['completed' as const], before: now + 1_400, after: now + 100 };
    await redis.config('RESETSTAT');
    const jobs = await op.all(op.ref('q'), filter);
    expect(jobs).toHaveLength(1_300);
    expect([jobs[0]?.id, jobs.at(-1)?.id]).toEqual(['job-1399', 'job-100']);
    // Those outside of it are not even looked at.
    const calls = /cmdstat_hmget:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1];
    expect(Number(calls)).toBeLessThanOrEqual(1_301);
  });
});

describe('pages of a list', () => {
  const ids = Array.from({ length: 3_500 }, (_, n) => `job-${n}`);

  it('have every job once, whatever comes and is taken meanwhile', async () => {
    await lay('q', 'wait', ids);
    let taken = 0;
    const read = await reading('q', 'waiting', async () => {
      await lay('q', 'other', [`new-${taken}`]);
      await redis.lpush('bull:q:wait', ...Array.from({ length: 50 }, (_, n) => `x-${taken}-${n}`));
      await redis.rpop('bull:q:wait', 30);
      taken += 30;
    });
    expect(new Set(read).size).toBe(read.length);
    expect(ids.slice(0, ids.length - taken).filter((id) => !read.includes(id))).toEqual([]);
  });

  it('skip none when those that were read are removed', async () => {
    await lay('q', 'wait', ids);
    const read = await reading('q', 'waiting', async (page) => {
      const pipeline = redis.pipeline();
      for (const { id } of page) pipeline.lrem('bull:q:wait', 1, id).del(`bull:q:${id}`);
      await pipeline.exec();
    });
    expect(read).toEqual(ids);
  });

  it('skip none when others take old ones out of its middle while it is read', async () => {
    await lay('q', 'wait', ids);
    const removing = (async () => {
      for (const id of ids.slice(0, 900)) await redis.lrem('bull:q:wait', 1, id);
    })();
    const read = await reading('q', 'waiting', () => {});
    await removing;
    expect(ids.slice(900).filter((id) => !read.includes(id))).toEqual([]);
  });

  it('leave markers of older versions out, also of the count', async () => {
    await lay('q', 'wait', ['7']);
    await redis.lpush('bull:q:wait', '0:0');
    expect(idsOf(await op.all(op.ref('q')))).toEqual(['7']);
    expect(await op.snapshots([op.ref('q')])).toMatchObject([{ waiting: 1 }]);
  });
});

it('jobs are found in lists by their ids on a Redis before 6.0.6, which has no LPOS', async () => {
  const old = await startRedis({ config: ['rename-command LPOS ""'] });
  const client = new Redis(old.port);
  const there = operator(old.url);
  onTestFinished(async () => {
    there.close();
    client.disconnect();
    await old.stop();
  });
  await client.hset('bull:q:7', { name: 'j', data: '{}', opts: '{}', timestamp: now });
  await client.lpush('bull:q:wait', '6', '7');
  expect(await there.all(there.ref('q'), { ids: ['7', '8'] })).toMatchObject([
    { id: '7', state: 'waiting', problem: null },
  ]);
  expect(await there.show(there.ref('q'), '6')).toMatchObject({ problem: 'ghost' });
});

describe('what is broken', () => {
  it('is said of each job, and stops nothing', async () => {
    await lay(
      'q',
      'failed',
      numbered(9, (n) => now + n),
    );
    await redis.del('bull:q:job-0', 'bull:q:job-1', 'bull:q:job-2', 'bull:q:job-3');
    await redis.set('bull:q:job-1', 'a text');
    await redis.hset('bull:q:job-2', 'atm', '3');
    await redis.hset('bull:q:job-3', { name: 'j', data: '{', opts: '{}', timestamp: now });
    await redis.hset('bull:q:job-4', 'opts', 'what');
    const jobs = await op.all(op.ref('q'), { states: ['failed'] });
    expect(jobs.slice(4).map(({ id, problem }) => [id, problem])).toEqual([
      ['job-4', 'corrupt'],
      ['job-3', 'corrupt'],
      ['job-2', 'corrupt'],
      ['job-1', 'corrupt'],
      ['job-0', 'ghost'],
    ]);
    expect(jobs.slice(0, 4).every(({ problem }) => problem === null)).toBe(true);
    const named = await op.all(op.ref('q'), { ids: idsOf(jobs) });
    expect(named).toEqual(jobs);
    for (const { id, problem, state } of jobs)
      expect(await op.show(op.ref('q'), id)).toMatchObject({ problem, state });
    expect((await op.show(op.ref('q'), 'job-0'))?.retry).toMatch(/only its id is left/);
    expect(await op.stats(op.ref('q'), 100)).toMatchObject({ wait_ms: null, run_ms: null });
  });

  it('a job that stands in no list is found by its id', async () => {
    await lay('q', 'failed', { astray: now });
    await redis.zrem('bull:q:failed', 'astray');
    expect(await op.all(op.ref('q'))).toEqual([]);
    expect(await op.all(op.ref('q'), { ids: ['astray'] })).toMatchObject([
      { id: 'astray', problem: 'corrupt', name: 'j' },
    ]);
    expect((await op.show(op.ref('q'), 'astray'))?.retry).toMatch(/stands in no list/);
  });

  it('a job removed between the reading of its id and of itself is no ghost', async () => {
    await lay(
      'q',
      'failed',
      numbered(500, (n) => now + n),
    );
    const jobs: Job[] = [];
    for await (const page of op.jobs(op.ref('q'), { states: ['failed'] })) {
      jobs.push(...page);
      await redis.del(...Array.from({ length: 200 }, (_, n) => `bull:q:job-${n}`));
      await redis.zremrangebyscore('bull:q:failed', now, now + 199);
    }
    expect(jobs.every(({ problem }) => problem === null)).toBe(true);
    expect(jobs).toHaveLength(300);
  });

  it('keys of another type count nothing', async () => {
    await lay('q', 'failed', { one: now });
    await redis.set('bull:q:wait', 'x');
    await redis.set('bull:q:completed', 'x');
    expect(await op.snapshots([op.ref('q')])).toMatchObject([
      { waiting: 0, completed: 0, failed: 1 },
    ]);
    expect(idsOf(await op.all(op.ref('q')))).toEqual(['one']);
    expect((await op.stats(op.ref('q'), 10)).sampled).toBe(1);
  });
});

describe('the shape of a message', () => {
  it.each([
    ['connect ETIMEDOUT 10.0.0.7:5432', 'connect ETIMEDOUT <host>'],
    ['job 4711 took 30s', 'job <n> took <n>s'],
    ['user "ann" may not see \'x y\'', 'user <text> may not see <text>'],
    ["can't read row 3 of 'a.csv', it's gone", "can't read row <n> of <text>, it's gone"],
    ['no task 0b9d6a4e-7e2b-4f0a-9c1d-2f3a4b5c6d7e', 'no task <id>'],
    ['digest 9f86d081884c7d659a2feaa0c55ad015 differs', 'digest <id> differs'],
    ['GET https://api.example.org/v1/42?x=1 said 503', 'GET <url> said <n>'],
    ['since 2026-01-02T03:04:05.678Z', 'since <time>'],
    ['mail to ann.lee@example.org bounced', 'mail to <address> bounced'],
    ['first line\n    at stack', 'first line'],
    ['Worker said no', 'Worker said no'],
    ['', ''],
  ])('%j is %j', (message, shape) => expect(shapeOf(message)).toBe(shape));

  it('is found quickly, whatever the message', () => {
    const began = performance.now();
    for (const part of ['\\', '"\\', "'", 'a', '1', '-', 'a1', '.@', '1.'])
      for (let n = 0; n < 10; n += 1) shapeOf(part.repeat(100_000));
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
