import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { MemoryCache } from '../../src/service/cache/memory.js';
import { createClient } from '../../src/service/connection/client.js';
import { cacheRoutes } from '../../src/service/http/routes/cache.js';
import { listen } from '../../src/service/http/server.js';
import { until } from '../servers/wait.js';
import { clientOf, redisFor, serviceFor } from './harness.js';

const USER = { 'X-User-Id': 'alice' };
const big = JSON.stringify({ value: 'x'.repeat(1_000_001) });
const deep = `{"value":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;

/** Bytes over a plain socket, for what fetch would not send; resolves with all that comes back. */
function rawRequest(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('the cache over HTTP', () => {
  it('puts, gets, heads and deletes', async () => {
    const service = await serviceFor({});
    expect((await service.put('asl:llm:1', { a: [1] }, 60)).body).toEqual({
      key: 'asl:llm:1',
      ttl: 60,
    });
    expect((await service.get('asl:llm:1')).body).toEqual({ key: 'asl:llm:1', value: { a: [1] } });
    expect(await service.call('HEAD', '/api/cache/asl:llm:1')).toEqual({ status: 200 });
    expect((await service.call('DELETE', '/api/cache/asl:llm:1')).body).toEqual({ deleted: 1 });
    expect((await service.call('DELETE', '/api/cache/asl:llm:1')).body).toEqual({ deleted: 0 });
    expect(await service.call('HEAD', '/api/cache/asl:llm:1')).toEqual({ status: 404 });
    expect(await service.get('asl:llm:1')).toMatchObject({
      status: 404,
      body: { error: expect.any(String) },
    });
  });

  it('keeps null, and keys with slashes, spaces and question marks', async () => {
    const service = await serviceFor({});
    for (const key of ['a/b', 'a b?c=d&e#f', '100%', 'ü€', '[a]']) {
      await service.put(key, null);
      expect((await service.get(key)).body).toEqual({ key, value: null });
    }
  });

  it('lets a TTL of a second expire', async () => {
    const redis = await redisFor();
    const service = await serviceFor({ REDIS_URL: redis.url });
    await service.put('k', 1, 1);
    expect((await service.get('k')).status).toBe(200);
    await until(async () => (await service.get('k')).status === 404, { timeout: 2_500 });
  });

  it('deletes by pattern and counts', async () => {
    const service = await serviceFor({});
    for (const key of ['a:1', 'a:2', 'b:1']) await service.put(key, 1);
    expect((await service.call('DELETE', '/api/cache?pattern=a:*')).body).toEqual({ deleted: 2 });
    await service.get('a:1');
    await service.get('b:1');
    expect((await service.call('GET', '/api/stats')).body).toEqual({
      hits: 1,
      misses: 1,
      sets: 3,
      errors: 0,
      total_requests: 2,
      hit_rate: 0.5,
    });
  });
});

describe('bad input', () => {
  const cases: [string, number, string, string, unknown?, Record<string, string>?][] = [
    ['no such route', 404, 'GET', '/nowhere'],
    ['a path below a route', 404, 'GET', '/api/cache/a/b'],
    ['the wrong method', 405, 'POST', '/api/cache/k', '{}'],
    ['the wrong method for health', 405, 'DELETE', '/api/health'],
    ['no JSON', 400, 'PUT', '/api/cache/k', '{"value":'],
    ['an empty body', 400, 'PUT', '/api/cache/k', ''],
    ['a bare value', 400, 'PUT', '/api/cache/k', '[1]'],
    ['null', 400, 'PUT', '/api/cache/k', 'null'],
    ['no value', 400, 'PUT', '/api/cache/k', { ttl: 1 }],
    ['an unknown field', 400, 'PUT', '/api/cache/k', { value: 1, ttll: 1 }],
    ['a TTL of another type', 400, 'PUT', '/api/cache/k', { value: 1, ttl: '60' }],
    ['a TTL of 0', 400, 'PUT', '/api/cache/k', { value: 1, ttl: 0 }],
    ['a negative TTL', 400, 'PUT', '/api/cache/k', { value: 1, ttl: -1 }],
    ['a fraction of a second', 400, 'PUT', '/api/cache/k', { value: 1, ttl: 1.5 }],
    ['a TTL beyond all measure', 400, 'PUT', '/api/cache/k', '{"value":1,"ttl":1e300}'],
    [
      'bytes that are no UTF-8',
      400,
      'PUT',
      '/api/cache/k',
      Buffer.from('{"value":"\xff"}', 'latin1'),
    ],
    ['nesting that would exhaust the stack', 400, 'PUT', '/api/cache/k', deep],
    ['a body of more than 1 MB', 413, 'PUT', '/api/cache/k', big],
    ['a glob as a key', 400, 'PUT', '/api/cache/a*', { value: 1 }],
    ['dots as a key', 400, 'PUT', '/api/cache/a%2F..%2Fb', { value: 1 }],
    ['NUL in a key', 400, 'PUT', '/api/cache/a%00b', { value: 1 }],
    ['a line end in a key', 400, 'PUT', '/api/cache/a%0Ab', { value: 1 }],
    ['a C1 control in a key', 400, 'PUT', '/api/cache/a%C2%85b', { value: 1 }],
    ['a key that is not encoded properly', 400, 'PUT', '/api/cache/a%ffb', { value: 1 }],
    ['no key', 400, 'PUT', '/api/cache/', { value: 1 }],
    ['a key of 501 characters', 400, 'PUT', `/api/cache/${'k'.repeat(501)}`, { value: 1 }],
    ['no pattern', 400, 'DELETE', '/api/cache'],
    ['an empty pattern', 400, 'DELETE', '/api/cache?pattern='],
    ['no user', 401, 'GET', '/api/tasks/t1'],
    ['no user, for a write', 401, 'PUT', '/api/tasks/t1', { status: 'pending' }],
    ['a glob as a user', 400, 'PUT', '/api/tasks/t1', { status: 'pending' }, { 'X-User-Id': '*' }],
    [
      'a colon in a user',
      400,
      'PUT',
      '/api/tasks/t1',
      { status: 'pending' },
      { 'X-User-Id': 'a:b' },
    ],
    ['dots as a user', 400, 'PUT', '/api/tasks/t1', { status: 'pending' }, { 'X-User-Id': '..' }],
    ['a colon in a task', 400, 'PUT', '/api/tasks/a:b', { status: 'pending' }, USER],
    ['a glob as a task', 400, 'PUT', '/api/tasks/*', { status: 'pending' }, USER],
    ['NUL in a task', 400, 'PUT', '/api/tasks/a%00', { status: 'pending' }, USER],
    ['an unknown state', 400, 'PUT', '/api/tasks/t1', { status: 'done' }, USER],
    [
      'progress beyond 100',
      400,
      'PUT',
      '/api/tasks/t1',
      { status: 'pending', progress: 101 },
      USER,
    ],
    ['no user of a session', 401, 'POST', '/api/sessions/search/t1', '{}'],
    ['no such kind of session', 404, 'POST', '/api/sessions/other/t1', '{}', USER],
    ['no role', 400, 'POST', '/api/sessions/search/t1', { content: 'x' }, USER],
    [
      'an empty message',
      400,
      'POST',
      '/api/sessions/search/t1',
      { role: 'user', content: '' },
      USER,
    ],
    [
      'content that is a list',
      400,
      'POST',
      '/api/sessions/search/t1',
      { role: 'user', content: [] },
      USER,
    ],
    [
      'a colon in a session',
      400,
      'POST',
      '/api/sessions/search/a:b',
      { role: 'user', content: 'x' },
      USER,
    ],
    [
      'dots as a session',
      400,
      'POST',
      '/api/sessions/search/a..b',
      { role: 'user', content: 'x' },
      USER,
    ],
    ['a session of more than 1 MB', 413, 'POST', '/api/sessions/search/t1', big, USER],
    ['a glob as a key to create', 400, 'POST', '/api/cache/a*/create', { value: 1 }],
    ['nothing to create', 400, 'POST', '/api/cache/k/create', { ttl: 1 }],
    ['a duration as text', 400, 'POST', '/api/cache/k/create', { value: 1, takes_ms: '5' }],
    ['an hour of waiting', 400, 'POST', '/api/cache/k/create', { value: 1, takes_ms: 3_600_000 }],
    ['a value to create of more than 1 MB', 413, 'POST', '/api/cache/k/create', big],
    ['a glob as a hash', 400, 'PUT', '/api/hashes/a*/f', { value: 1 }],
    ['a glob as a field', 400, 'PUT', '/api/hashes/h/f*', { value: 1 }],
    ['dots as a field', 400, 'PUT', '/api/hashes/h/a%2F..%2Fb', { value: 1 }],
    ['NUL in a field', 400, 'PUT', '/api/hashes/h/f%00', { value: 1 }],
    ['no field', 400, 'PUT', '/api/hashes/h/', { value: 1 }],
    ['a field without a value', 400, 'PUT', '/api/hashes/h/f', {}],
    ['a field of more than 1 MB', 413, 'PUT', '/api/hashes/h/f', big],
    ['NUL in a hash that is read', 400, 'GET', '/api/hashes/h%00'],
    ['a glob as a counter', 400, 'POST', '/api/counters/c*', {}],
    ['dots as a counter', 400, 'POST', '/api/counters/a%2F..%2Fb', {}],
    ['a step as text', 400, 'POST', '/api/counters/c', { by: '1' }],
    ['half a step', 400, 'POST', '/api/counters/c', { by: 0.5 }],
    ['a step beyond all measure', 400, 'POST', '/api/counters/c', { by: 1e300 }],
    ['a counter for ever', 400, 'POST', '/api/counters/c', { ttl: 0 }],
    ['no user of a job', 401, 'POST', '/api/jobs/dc:jobs', { data: 1 }],
    ['no such queue', 404, 'POST', '/api/jobs/other', { data: 1 }, USER],
    ['a queue with dots', 404, 'POST', '/api/jobs/..%2Fother', { data: 1 }, USER],
    ['a job without data', 400, 'POST', '/api/jobs/dc:jobs', {}, USER],
    ['a colon in the id of a job', 400, 'POST', '/api/jobs/dc:jobs', { data: 1, id: 'a:b' }, USER],
    ['a glob as the id of a job', 400, 'POST', '/api/jobs/dc:jobs', { data: 1, id: '*' }, USER],
    ['NUL in the id of a job', 400, 'POST', '/api/jobs/dc:jobs', { data: 1, id: 'a\0' }, USER],
    ['a number as the id of a job', 400, 'POST', '/api/jobs/dc:jobs', { data: 1, id: 7 }, USER],
    ['a priority below 0', 400, 'POST', '/api/jobs/dc:jobs', { data: 1, priority: -1 }, USER],
    ['a job of more than 1 MB', 413, 'POST', '/api/jobs/dc:jobs', big, USER],
    ['a colon in a job that is read', 400, 'GET', '/api/jobs/dc:jobs/a:b', undefined, USER],
    ['a glob as a job to cancel', 400, 'DELETE', '/api/jobs/dc:jobs/*', undefined, USER],
    ['progress as text', 400, 'PUT', '/api/tasks/t1', { status: 'pending', progress: '5' }, USER],
  ];

  it.each(['memory', 'redis'])(
    'is refused in one line of JSON, with nothing stored (%s)',
    async (type) => {
      const redis = await redisFor();
      const service = await serviceFor({
        REDIS_URL: redis.url,
        CACHE_TYPE: type,
        REDIS_TASK_STATUS_ENABLED: 'true',
        ...{ JOB_QUEUES: 'dc:jobs', QUEUE_TYPE: type },
      });
      await service.put('witness', 1);
      const client = createClient({ host: '127.0.0.1', port: redis.port, db: 0 });
      await client.connect();
      // The probe's own key comes and goes; BullMQ's worker has its own.
      const keys = async () =>
        (await client.keys('*')).filter((key) => !/:probe:|^bull:dc-jobs:(meta|stalled)/.test(key))
          .length;
      const before = await keys();
      for (const [name, status, method, path, body, headers] of cases) {
        const answer = await service.call(method, path, body, headers);
        expect(answer.status, name).toBe(status);
        expect(Object.keys(answer.body), name).toEqual(['error']);
        expect(answer.body.error, name).toMatch(/^[^\n]{3,200}$/);
      }
      expect(await keys()).toBe(before);
      client.disconnect();
      expect((await service.call('GET', '/api/stats')).body.sets).toBe(1);
      expect((await service.get('witness')).body.value).toBe(1);
      expect(service.errors).toEqual([]);
    },
  );

  it('names the methods that are allowed', async () => {
    const service = await serviceFor({});
    const response = await fetch(`${service.url}/api/tasks/t1`, { method: 'DELETE' });
    expect(response.headers.get('allow')).toBe('GET, PUT');
  });

  it('answers what is not HTTP at all, and paths that a client would have folded', async () => {
    const { url } = await serviceFor({});
    expect(await rawRequest(url, 'nonsense\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 .*\{"error":"bad request"\}\n$/s,
    );
    const dots = 'GET /api/cache/../tasks/t1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
    expect(await rawRequest(url, dots)).toMatch(/^HTTP\/1.1 404 /);
    const huge = `GET /api/health HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`;
    expect(await rawRequest(url, huge)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('stores nothing of a body that breaks off', async () => {
    const service = await serviceFor({});
    const { hostname, port } = new URL(service.url);
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        'PUT /api/cache/k HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"value":1}',
      );
      setTimeout(() => socket.destroy(), 20);
    });
    await new Promise((resolve) => socket.on('close', resolve));
    expect((await service.get('k')).status).toBe(404);
    expect(service.errors).toEqual([]);
  });
});

describe('close', () => {
  it('ends within a second although clients keep their connections open', async () => {
    const service = await serviceFor({});
    await Promise.all(Array.from({ length: 5 }, () => service.health()));
    const { hostname, port } = new URL(service.url);
    const slow = connect(Number(port), hostname, () => slow.write('PUT /api/cache/k HTTP/1.1\r\n'));
    slow.on('error', () => {});
    await until(() => slow.bytesWritten > 0);
    const start = performance.now();
    await service.close();
    expect(performance.now() - start).toBeLessThan(1_000);
    await expect(service.health()).rejects.toThrow();
  });

  it('lets a request under way end', async () => {
    let release = () => {};
    let entered = false;
    class Slow extends MemoryCache {
      override async get(key: string) {
        entered = true;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return super.get(key);
      }
    }
    const http = await listen(cacheRoutes(new Slow()), {
      host: '127.0.0.1',
      port: 0,
      onError: () => {},
    });
    const answer = clientOf(http.url).call('GET', '/api/cache/k');
    await until(() => entered);
    const closed = http.close();
    release();
    expect((await answer).status).toBe(404);
    await closed;
  });

  it('hides what failed inside', async () => {
    class Broken extends MemoryCache {
      override async get(): Promise<never> {
        throw new Error('secret detail');
      }
    }
    const errors: unknown[] = [];
    const http = await listen(cacheRoutes(new Broken()), {
      host: '127.0.0.1',
      port: 0,
      onError: (error) => errors.push(error),
    });
    expect(await clientOf(http.url).call('GET', '/api/cache/k')).toEqual({
      status: 500,
      body: { error: 'internal error' },
    });
    expect(errors).toHaveLength(1);
    await http.close();
  });
});
