import { describe, expect, it } from 'vitest';
import { MemoryCache } from '../../src/service/cache/memory.js';
import { SessionStore } from '../../src/service/sessions.js';
import { raw, redisFor, serviceFor } from './harness.js';

const ALICE = { 'X-User-Id': 'alice' };
const BOB = { 'X-User-Id': 'bob' };

describe('sessions', () => {
  it('keep 20 rounds, cut the oldest, and every write renews two hours of life', async () => {
    const redis = await redisFor();
    const { call } = await serviceFor({ REDIS_URL: redis.url, REDIS_CHAT_SESSION_ENABLED: '1' });
    for (let at = 0; at < 45; at += 1) {
      const role = at % 2 ? 'assistant' : 'user';
      const { status } = await call(
        'POST',
        '/api/sessions/search/t1',
        { role, content: `${at}` },
        ALICE,
      );
      expect(status).toBe(200);
    }
    const { messages } = (await call('GET', '/api/sessions/search/t1', undefined, ALICE)).body;
    expect(messages).toHaveLength(40);
    expect(messages[0].content).toBe('5');
    const ttl = await raw(redis, (client) => client.ttl('test:ci:chat:search:alice:t1'));
    expect(ttl).toBeGreaterThan(7_100);
    expect(ttl).toBeLessThanOrEqual(7_200);
  });

  it('loses no message of those added at the same time', async () => {
    const store = new SessionStore({ memory: new MemoryCache() });
    await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        store.add('search', 'a', 't', { role: 'user', content: `${n}` }),
      ),
    );
    expect(await store.get('search', 'a', 't')).toHaveLength(30);
  });

  it('survive a restart in Redis, and an instance that still reads memory during dual write', async () => {
    const redis = await redisFor();
    const env = {
      REDIS_URL: redis.url,
      REDIS_CHAT_SESSION_ENABLED: '1',
      REDIS_CHAT_SESSION_DUAL_WRITE: '1',
    };
    const one = await serviceFor(env, 'one');
    await one.call('POST', '/api/sessions/generate/t1', { role: 'user', content: 'hello' }, ALICE);
    await one.close();
    const two = await serviceFor({ ...env, REDIS_CHAT_SESSION_DUAL_WRITE: '0' }, 'two');
    const { body } = await two.call('GET', '/api/sessions/generate/t1', undefined, ALICE);
    expect(body.messages).toMatchObject([{ content: 'hello' }]);
  });

  it('are not found by another user, kind or task', async () => {
    const { call } = await serviceFor({});
    await call('POST', '/api/sessions/generate/t1', { role: 'user', content: 'hello' }, ALICE);
    for (const [path, user] of [
      ['/api/sessions/generate/t1', BOB],
      ['/api/sessions/search/t1', ALICE],
      ['/api/sessions/generate/t2', ALICE],
      ['/api/sessions/other/t1', ALICE],
    ] as const)
      expect((await call('GET', path, undefined, user)).status).toBe(404);
    expect((await call('DELETE', '/api/sessions/generate/t1', undefined, BOB)).body.deleted).toBe(
      0,
    );
    expect((await call('DELETE', '/api/sessions/generate/t1', undefined, ALICE)).body.deleted).toBe(
      1,
    );
  });
});
