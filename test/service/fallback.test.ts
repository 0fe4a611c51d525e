import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../src/service/connection/client.js';
import { isRunning, type RedisServer } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { redisFor, restart, serviceFor, traffic } from './harness.js';

/** Longest a request may take in an outage, in milliseconds: one deadline of 300 and its own work. */
const BOUND = 400;

/** A client of the test's own, for what an operator does to Redis. */
async function operatorOf(redis: RedisServer) {
  const client = createClient({
    host: '127.0.0.1',
    port: redis.port,
    db: 0,
    ...(redis.password && { password: redis.password }),
  });
  await client.connect();
  onTestFinished(() => client.disconnect());
  return client;
}

describe('at start', () => {
  it('uses Redis when it is there', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    expect(await service.health()).toMatchObject({
      status: 'ok',
      cache: 'redis',
      cache_type: 'redis',
      redis: { status: 'up' },
      instance: 'one',
    });
  });

  it('starts in memory when Redis is down, and uses it once it is up', async () => {
    const redis = await redisFor();
    const { pid } = redis;
    redis.kill('SIGKILL');
    await until(() => !isRunning(pid));
    const start = performance.now();
    const service = await serviceFor({ REDIS_URL: redis.url });
    expect(performance.now() - start).toBeLessThan(700);
    expect(await service.health()).toMatchObject({
      cache: 'memory',
      cache_type: 'redis',
      redis: { status: 'down', last_error: { class: 'ECONNREFUSED' } },
    });
    await service.put('k', 'early');
    await restart(redis);
    await service.mode('redis', 2_000);
    expect((await service.get('k')).body.value).toBe('early');
  });

  it('starts in memory when Redis hangs', async () => {
    const redis = await redisFor();
    redis.kill('SIGSTOP');
    const start = performance.now();
    const service = await serviceFor({ REDIS_URL: redis.url });
    expect(performance.now() - start).toBeLessThan(1_000);
    expect((await service.put('k', 1)).status).toBe(200);
    expect((await service.health()).cache).toBe('memory');
    redis.kill('SIGCONT');
    await service.mode('redis', 4_000);
    expect((await service.get('k')).body.value).toBe(1);
  });

  it('starts in memory with a wrong password, does not tell it, and recovers when it is right', async () => {
    const redis = await redisFor({ password: 'right-one' });
    const service = await serviceFor({
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(redis.port),
      REDIS_PASSWORD: 'wrong-secret',
    });
    const health = await service.health();
    expect(health).toMatchObject({
      cache: 'memory',
      redis: { last_error: { class: 'WRONGPASS' } },
    });
    expect(JSON.stringify(health)).not.toContain('wrong-secret');
    await (await operatorOf(redis)).config('SET', 'requirepass', 'wrong-secret');
    await service.mode('redis', 2_000);
  });

  it('is as intended in memory when that is configured', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url, CACHE_TYPE: 'memory' });
    await service.put('k', 1);
    expect(await service.health()).toMatchObject({
      cache: 'memory',
      cache_type: 'memory',
      redis: { status: 'off' },
    });
    expect(await (await operatorOf(redis)).dbsize()).toBe(0);
  });
});

describe('at run time, with requests flowing', () => {
  it.each([
    { fault: 'is killed', signal: 'SIGKILL' as const },
    { fault: 'hangs', signal: 'SIGSTOP' as const },
  ])('nobody notices that Redis $fault and comes back', async ({ signal }) => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    const users = traffic(service.url);
    for (let round = 0; round < 2; round += 1) {
      await until(
        async () => (await service.call('GET', '/api/stats')).body.sets > 20 * (round + 1),
      );
      redis.kill(signal);
      expect(await service.mode('memory')).toBeLessThan(1_000);
      await service.put('written', `in round ${round}`);
      const writes = (await service.call('GET', '/api/stats')).body.sets;
      await until(async () => (await service.call('GET', '/api/stats')).body.sets > writes + 20);
      if (signal === 'SIGSTOP') redis.kill('SIGCONT');
      else await restart(redis);
      expect(await service.mode('redis', 8_000)).toBeLessThan(3_000);
      expect((await service.get('written')).body.value).toBe(`in round ${round}`);
    }
    const { failures, worst, worstHealth, count } = await users.stop();
    expect(failures).toEqual([]);
    expect(count).toBeGreaterThan(200);
    expect(worst).toBeLessThan(BOUND);
    expect(worstHealth).toBeLessThan(BOUND / 2);
    expect(service.errors).toEqual([]);
  });

  it('waits for a hung Redis once, and not again while it hangs', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    redis.kill('SIGSTOP');
    const first = performance.now();
    expect((await service.put('k', 1)).status).toBe(200);
    expect(performance.now() - first).toBeLessThan(BOUND);
    const rest = performance.now();
    for (let n = 0; n < 50; n += 1) await service.get('k');
    expect(performance.now() - rest).toBeLessThan(300);
    redis.kill('SIGCONT');
    await service.mode('redis');
  });

  it('sees a hung Redis although nobody asks for anything but health', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    redis.kill('SIGSTOP');
    expect(await service.mode('memory')).toBeLessThan(1_000);
    expect((await service.health()).redis.last_error.class).toBe('timeout');
    redis.kill('SIGCONT');
    expect(await service.mode('redis')).toBeLessThan(1_000);
  });

  it('goes to memory when the password is changed under it', async () => {
    const redis = await redisFor({ password: 'before' });
    const service = await serviceFor({ REDIS_URL: redis.url });
    const operator = await operatorOf(redis);
    await operator.config('SET', 'requirepass', 'after');
    await operator.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await service.mode('memory', 1_000);
    expect((await service.put('k', 1)).status).toBe(200);
    await until(async () => (await service.health()).redis.last_error.class === 'WRONGPASS');
    await operator.config('SET', 'requirepass', 'before');
    await service.mode('redis', 2_000);
    expect((await service.get('k')).body.value).toBe(1);
  });

  it('finds a way round a connection that went silent for good', async () => {
    const redis = await redisFor();
    const sockets = new Set<[Socket, Socket]>();
    const proxy = createServer((near) => {
      const far = connect(redis.port, '127.0.0.1');
      for (const socket of [near, far]) socket.on('error', () => {});
      near.pipe(far).pipe(near);
      sockets.add([near, far]);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      proxy.close();
      for (const socket of [...sockets].flat()) socket.destroy();
    });
    const { port } = proxy.address() as { port: number };
    const service = await serviceFor({ REDIS_URL: `redis://127.0.0.1:${port}` });
    await service.mode('redis');
    for (const [near, far] of sockets) near.unpipe(far);
    await service.mode('memory', 1_000);
    await service.mode('redis', 5_000);
  });
});

describe('goes back only to a Redis that takes writes', () => {
  it.each([
    ['READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
    ['OOM', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
  ] as [string, string[], string[]][])('not while it answers %s', async (word, breaks, mends) => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    const operator = await operatorOf(redis);
    const run = ([name = '', ...args]: string[]) => operator.call(name, ...args);
    await run(breaks);
    // It goes on to answer PING: only a write shows that it is not of use.
    await operator.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until(async () => (await service.health()).redis.last_error?.class === word);
    const start = performance.now();
    const seen = new Set<string>();
    while (performance.now() - start < 1_500) {
      const health = await service.health();
      seen.add(`${health.cache} ${health.redis.last_error.class}`);
    }
    expect([...seen]).toEqual([`memory ${word}`]);
    expect((await service.put('k', 'kept')).status).toBe(200);
    await run(mends);
    await service.mode('redis', 2_000);
    expect((await service.get('k')).body.value).toBe('kept');
  });

  it('takes its time with a Redis that fails again and again', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    const operator = await operatorOf(redis);
    const returns: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      await operator.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      returns.push(await service.mode('memory', 1_000).then(() => service.mode('redis')));
    }
    expect(returns[3]).toBeGreaterThan(800);
    expect(returns[0]).toBeLessThan(800);
  });
});

describe('after the return', () => {
  it('Redis holds what was written, and has forgotten what was deleted, in memory mode', async () => {
    const redis = await redisFor({ aof: true });
    const service = await serviceFor({ REDIS_URL: redis.url });
    const keys = ['overwritten', 'deleted', 'pattern:1', 'pattern:2', 'untouched'];
    for (const key of keys) await service.put(key, 'before', 600);
    // Everything before the outage is on disk: the AOF is written through once a second.
    const operator = await operatorOf(redis);
    await operator.config('SET', 'appendfsync', 'always');
    await service.put('untouched', 'before', 600);
    redis.kill('SIGSTOP');
    await service.mode('memory');
    await service.put('new', 'during', 300);
    await service.put('overwritten', 'during', 600);
    await service.call('DELETE', '/api/cache/deleted');
    await service.put('pattern:2', 'lost', 600);
    await service.call('DELETE', '/api/cache?pattern=pattern:*');
    await service.put('pattern:2', 'after the pattern', 600);
    await service.put('brief', 'during', 1);
    redis.kill('SIGKILL');
    await until(async () => (await service.get('brief')).status === 404);
    await restart(redis);
    await service.mode('redis', 3_000);
    const values = Object.fromEntries(
      await Promise.all(
        [...keys, 'new', 'brief'].map(async (key) => [key, (await service.get(key)).body.value]),
      ),
    );
    expect(values).toEqual({
      overwritten: 'during',
      deleted: undefined,
      'pattern:1': undefined,
      'pattern:2': 'after the pattern',
      untouched: 'before',
      new: 'during',
      brief: undefined,
    });
    const raw = await operatorOf(redis);
    const ttl = await raw.pttl('test:ci:cache:new');
    expect(ttl).toBeGreaterThan(290_000);
    expect(ttl).toBeLessThan(300_000);
  });

  it('a write that Redis carries out late does not win over the one that followed it', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    redis.kill('SIGSTOP');
    // The first is in the hung server's socket and will be carried out; the second knows memory only.
    await service.put('k', 'first', 600);
    await service.put('k', 'second', 60);
    redis.kill('SIGCONT');
    await service.mode('redis');
    expect((await service.get('k')).body.value).toBe('second');
  });

  it('an old write of one instance does not win over a later one of another', async () => {
    const redis = await redisFor({ password: 'pw' });
    const [left, right] = [
      await serviceFor({ REDIS_URL: redis.url }, 'left'),
      await serviceFor(
        { REDIS_HOST: '127.0.0.1', REDIS_PORT: `${redis.port}`, REDIS_PASSWORD: 'other' },
        'right',
      ),
    ];
    await right.put('k', 'older', 600);
    await until(async () => (await right.health()).uptime_s > 0.5);
    await left.put('k', 'newer', 600);
    await right.put('own', 'right only', 600);
    const operator = await operatorOf(redis);
    await operator.config('SET', 'requirepass', 'other');
    await right.mode('redis', 2_000);
    expect((await right.get('k')).body.value).toBe('newer');
    expect((await left.get('own')).body.value).toBe('right only');
  });

  it('no write is lost in the moment of the return', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    redis.kill('SIGKILL');
    await service.mode('memory');
    const written: string[] = [];
    let done = false;
    const writer = async (name: number) => {
      for (let n = 0; !done; n += 1) {
        await service.put(`${name}:${n}`, n);
        written.push(`${name}:${n}`);
      }
    };
    // Several, so that there is never a moment without a write on its way.
    const writers = Promise.all(Array.from({ length: 8 }, (_, name) => writer(name)));
    await until(() => written.length > 300);
    await restart(redis);
    expect(await service.mode('redis')).toBeLessThan(2_000);
    const at = written.length;
    await until(() => written.length > at + 50);
    done = true;
    await writers;
    const found = await Promise.all(written.map(async (key) => (await service.get(key)).status));
    expect(found.filter((status) => status !== 200)).toEqual([]);
  });
});

it('two instances share one cache, before and after an outage', async () => {
  const redis = await redisFor();
  const one = await serviceFor({ REDIS_URL: redis.url }, 'one');
  const two = await serviceFor({ REDIS_URL: redis.url }, 'two');
  await one.put('shared', { from: 'one' });
  expect((await two.get('shared')).body.value).toEqual({ from: 'one' });
  redis.kill('SIGKILL');
  await Promise.all([one.mode('memory'), two.mode('memory')]);
  await one.put('a', 1);
  await two.put('b', 2);
  expect((await two.get('a')).status).toBe(404);
  await restart(redis);
  await Promise.all([one.mode('redis'), two.mode('redis')]);
  expect((await two.get('a')).body.value).toBe(1);
  expect((await one.get('b')).body.value).toBe(2);
});
