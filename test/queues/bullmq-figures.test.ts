import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Config } from '../../src/config/load.js';
import { figuresOf } from '../../src/queues/bullmq/figures.js';
import { openNodes } from '../../src/queues/bullmq/nodes.js';
import type { Way } from '../../src/queues/bullmq/scripts.js';
import type { QueueRef } from '../../src/queues/queue.js';
import { openConnections } from '../../src/redis/connections.js';
import { type RedisTarget, redisTarget } from '../../src/redis/target.js';
import { startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import { listenTo } from '../servers/listening.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { fingerprint, populate } from './bullmq.js';
import { LIBRARIES } from './bullmq-writing.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({
    users: [
      'default on nopass ~* &* +@all',
      'viewer on >pw ~* resetchannels +@read +ping +client|list',
      'scripter on >pw ~* resetchannels +@read +ping +client|list +eval_ro +evalsha_ro',
      'purblind on >pw ~* resetchannels +@read -llen +ping +client|list +eval_ro +evalsha_ro',
      'penned on >pw ~bull:mail:* resetchannels +@read +ping +client|list +eval_ro +evalsha_ro',
    ],
  });
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  await redis.flushall();
});

const now = 1_700_000_000_000;
const HOUR = 3_600_000;

const ref = (queue: string, scope = 'bull'): QueueRef => ({
  engine: 'bullmq',
  source: 'main',
  scope,
  queue,
});

const targetAt = (port: number, user?: string): RedisTarget =>
  redisTarget({ redis: {} } as Config, `redis://${user ? `${user}:pw@` : ''}127.0.0.1:${port}`);

async function figures(
  queues: readonly QueueRef[],
  { target = targetAt(server.port), way }: { target?: RedisTarget; way?: Way } = {},
) {
  const nodes = openNodes(openConnections(target, { timeout: 10_000 }));
  try {
    return await figuresOf(nodes, queues, now, way);
  } finally {
    nodes.close();
  }
}

/** How often the server has run each command since the last time, those within scripts too. */
async function calls(): Promise<Record<string, number>> {
  const stats = await command(server.port, 'INFO commandstats');
  await command(server.port, 'CONFIG RESETSTAT');
  const found = stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g);
  return Object.fromEntries([...found].map(([, name, count]) => [name, Number(count)]));
}

/** Queues of all shapes that there are in the wild. */
async function shapes(): Promise<QueueRef[]> {
  const job = (base: string, id: string, more = {}) =>
    redis.hset(`${base}:${id}`, { timestamp: now - 60_000, ...more });
  // Paused as 5 does it, with a marker of an older version and a job that has a delay of its own.
  await redis.hset('bull:asl:title:meta', 'paused', '1');
  await redis.rpush('bull:asl:title:paused', '3', '2', '0:0');
  await job('bull:asl:title', '2', { timestamp: now - 90_000, delay: 20_000 });
  // Paused as 6 does it.
  await redis.hset('{app:eu}:jobs:six:meta', 'paused', '1', 'version', 'bullmq:6.7.0');
  await redis.rpush('{app:eu}:jobs:six:wait', '1');
  await job('{app:eu}:jobs:six', '1');
  // Active with and without locks, and with an id twice.
  await redis.rpush('bull:busy:active', 'a', 'b', 'c', 'repeat:x:1', '0:1');
  await redis.mset('bull:busy:a:lock', 't', 'bull:busy:repeat:x:1:lock', 't');
  await redis.zadd('bull:busy:failed', now - 2 * HOUR, 'old', now - 10, 'new', now - 20, 'newer');
  await redis.zadd('bull:busy:prioritized', 1, 'p1', 2, 'p2', 3, 'p3');
  await job('bull:busy', 'p2', { timestamp: now - 5_000 });
  await redis.zadd('bull:busy:delayed', 1, 'd');
  await redis.zadd('bull:busy:completed', 1, 'x', 2, 'y');
  await redis.zadd('bull:busy:waiting-children', 1, 'w');
  // Ghosts; a job that is no hash; keys of other types.
  await redis.rpush('bull:ghosts:wait', 'gone', 'text');
  await redis.set('bull:ghosts:text', 'x');
  for (const part of ['wait', 'active', 'failed', 'prioritized', 'meta'])
    await redis.set(`bull:corrupt:${part}`, 'x');
  await redis.zadd('bull:corrupt:completed', 1, 'x');
  return [
    ...['asl:title', 'busy', 'ghosts', 'corrupt', 'empty', 'ünï code'].map((name) => ref(name)),
    ref('six', '{app:eu}:jobs'),
  ];
}

describe('figures of queues', () => {
  it('are the same by a script and command by command, whatever lies there, and nothing changes', async () => {
    const queues = await shapes();
    const before = await fingerprint(server.port);
    await calls();
    const script = await figures(queues);
    const { evalsha_ro = 0, eval_ro = 0 } = await calls();
    expect(evalsha_ro + eval_ro).toBeGreaterThan(0);
    const plain = await figures(queues, { way: 'none' });
    expect(await calls()).not.toHaveProperty('evalsha_ro');
    expect(script.queues).toEqual(plain.queues);
    expect([script.way, plain.way]).toEqual(['eval_ro', 'none']);
    expect(await fingerprint(server.port)).toEqual(before);
    expect(script.queues).toMatchObject([
      { queue: 'asl:title', waiting: 2, paused: true, oldest_waiting_ms: 70_000 },
      {
        queue: 'busy',
        waiting: 3,
        active: 5,
        delayed: 1,
        blocked: 1,
        completed: 2,
        failed: 3,
        failed_last_hour: 2,
        stalled: 2,
        oldest_waiting_ms: 5_000,
        paused: false,
      },
      { queue: 'ghosts', waiting: 2, oldest_waiting_ms: null },
      {
        queue: 'corrupt',
        waiting: 0,
        active: 0,
        failed: 0,
        completed: 1,
        failed_last_hour: null,
        stalled: null,
        paused: null,
      },
      { queue: 'empty', waiting: 0, oldest_waiting_ms: null, stalled: 0 },
      { queue: 'ünï code', waiting: 0 },
      { scope: '{app:eu}:jobs', queue: 'six', waiting: 1, paused: true, oldest_waiting_ms: 60_000 },
    ]);
  });

  it.each(LIBRARIES)('are the same both ways of a queue that %s has filled', async (library) => {
    const connection = { host: '127.0.0.1', port: server.port };
    const estate = await populate(library, 'jobs', connection);
    onTestFinished(() => estate.close());
    for (const paused of [false, true]) {
      if (paused) await estate.queue.pause();
      const script = await figures([ref('jobs')]);
      expect(script).toMatchObject({
        way: 'eval_ro',
        queues: [{ paused, waiting: 6, stalled: 0 }],
      });
      expect(script.queues).toEqual((await figures([ref('jobs')], { way: 'none' })).queues);
    }
  });

  it('cost one command for twenty queues, and some more where there is more to do', async () => {
    const proxy = await listenTo(server.port);
    onTestFinished(() => proxy.stop());
    const asked = async (queues: QueueRef[]) => {
      proxy.sent.length = 0;
      const { queues: seen } = await figures(queues, { target: targetAt(proxy.port) });
      expect(seen.map(({ queue }) => queue)).toEqual(queues.map(({ queue }) => queue));
      return proxy.sent.filter((name) => name.startsWith('EVAL')).length;
    };
    const numbered = (count: number) => Array.from({ length: count }, (_, n) => ref(`q${n}`));
    // The server has to learn the script.
    await asked(numbered(1));
    expect(await asked(numbered(20))).toBe(1);
    expect(proxy.sent.sort()).toEqual(['CLIENT LIST', 'EVALSHA_RO', 'PING']);
    expect(await asked(numbered(200))).toBe(4);
    // What is active is work too: no call looks at more than one queue of these.
    const ids = Array.from({ length: 1_000 }, (_, n) => `${n}`);
    for (const n of [0, 1, 2]) await redis.rpush(`bull:q${n}:active`, ...ids);
    expect(await asked(numbered(3))).toBe(3);
  });

  it('of a queue of 100,000 jobs are had without going through them', async () => {
    const ids = Array.from({ length: 10_000 }, (_, n) => n);
    for (let tens = 0; tens < 10; tens += 1) {
      const some = ids.map((n) => tens * 10_000 + n);
      await redis.rpush('bull:large:active', ...some);
      await redis.rpush('bull:large:wait', ...some);
    }
    await figures([ref('large')]);
    await calls();
    const { queues } = await figures([ref('large'), ref('small')]);
    expect(queues[0]).toMatchObject({ active: 100_000, waiting: 100_000, stalled: 1_000 });
    // The locks of a thousand jobs are asked for by 500.
    expect(await calls()).toMatchObject({ evalsha_ro: 1, exists: 2, lrange: 2 });
  });

  it('are had by a user that may run no scripts, or whose scripts may not read, command by command', async () => {
    const queues = await shapes();
    const truth = await figures(queues);
    const as = async (user: string, way?: Way) =>
      figures(queues, { target: targetAt(server.port, user), ...(way && { way }) });
    expect(await as('scripter')).toEqual(truth);
    expect(await as('viewer')).toEqual({
      queues: truth.queues,
      way: 'none',
      because: expect.stringMatching(/^NOPERM/),
    });
    // Known from before, nobody tries.
    await calls();
    expect(await as('viewer', 'none')).toEqual({ queues: truth.queues, way: 'none' });
    expect(Object.keys(await calls()).filter((name) => name.startsWith('eval'))).toEqual([]);
  });

  it('that may not be read are not known, and hide none that may', async () => {
    const queues = await shapes();
    const asPurblind = await figures(queues, { target: targetAt(server.port, 'purblind') });
    expect(asPurblind).toMatchObject({ way: 'none', because: expect.any(String) });
    expect(asPurblind.queues.find(({ queue }) => queue === 'busy')).toMatchObject({
      waiting: null,
      active: null,
      delayed: 1,
      failed: 3,
      failed_last_hour: 2,
      stalled: 2,
    });
    await redis.rpush('bull:mail:wait', '1');
    const penned = await figures([ref('mail'), ref('busy')], {
      target: targetAt(server.port, 'penned'),
    });
    expect(penned.queues).toMatchObject([
      { queue: 'mail', waiting: 1, paused: false },
      {
        queue: 'busy',
        waiting: null,
        active: null,
        delayed: null,
        blocked: null,
        completed: null,
        failed: null,
        oldest_waiting_ms: null,
        paused: null,
        failed_last_hour: null,
        stalled: null,
      },
    ]);
  });

  it('are had while the server forgets its scripts, and by EVALSHA where there is no EVALSHA_RO', async () => {
    const queues = await shapes();
    const truth = await figures(queues);
    await command(server.port, 'SCRIPT FLUSH');
    expect(await figures(queues)).toEqual(truth);
    const old = await startRedis({
      config: ['rename-command EVALSHA_RO ""', 'rename-command EVAL_RO ""'],
    });
    onTestFinished(() => old.stop());
    const target = targetAt(old.port);
    expect(await figures([ref('mail')], { target })).toMatchObject({
      way: 'eval',
      queues: [{ waiting: 0 }],
    });
    const proxy = await listenTo(old.port);
    onTestFinished(() => proxy.stop());
    await figures([ref('mail')], { target: targetAt(proxy.port), way: 'eval' });
    expect(proxy.sent.sort()).toEqual(['CLIENT LIST', 'EVALSHA', 'PING']);
  });
});

describe('figures of queues on a cluster', () => {
  it('are had by one call a slot on the master that has it, the same as command by command', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    const nodes = cluster.masters.map(({ host, port }) => `${host}:${port}`);
    const config = { redis: { main: { cluster: nodes, roles: ['queue'], replica: false } } };
    const target = redisTarget(config as unknown as Config, 'main');
    const queues = ['{bull}', '{q}'].flatMap((scope) =>
      ['one', 'two', 'three'].map((queue) => ref(queue, scope)),
    );
    const run = async (line: string) => {
      // Only the master of the slot takes it.
      for (const { port } of cluster.masters) await command(port, line);
    };
    for (const [at, { scope, queue }] of queues.entries())
      for (let n = 0; n <= at; n += 1) await run(`RPUSH ${scope}:${queue}:wait ${n}`);
    const waiting = ({ queues: seen }: Awaited<ReturnType<typeof figures>>) =>
      seen.map((figure) => figure.waiting);
    const script = await figures(queues, { target });
    expect(waiting(script)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(script.way).toBe('eval_ro');
    expect((await figures(queues, { target, way: 'none' })).queues).toEqual(script.queues);
    for (const { port } of cluster.masters) await command(port, 'CONFIG RESETSTAT');
    await figures(queues, { target });
    const stats = await Promise.all(
      cluster.masters.map(({ port }) => command(port, 'INFO commandstats')),
    );
    const scripts = stats.flatMap((text) => /cmdstat_evalsha_ro:calls=(\d+)/.exec(text)?.[1] ?? []);
    expect(scripts.reduce((sum, count) => sum + Number(count), 0)).toBe(2);
    // One of its nodes alone, as if it were a server of its own: two slots in a call are refused.
    const [first] = cluster.masters as [RedisServer];
    const alone = await figures(queues, { target: targetAt(first.port) });
    expect(alone.way).toBe('none');
    expect(waiting(alone)).toEqual(
      await Promise.all(
        queues.map(async ({ scope, queue }) => {
          const reply = await command(first.port, `LLEN ${scope}:${queue}:wait`);
          return reply.startsWith(':') ? Number(reply.slice(1)) : null;
        }),
      ),
    );
  });
});
