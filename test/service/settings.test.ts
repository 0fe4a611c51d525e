import { expect, it } from 'vitest';
import { SettingsError, settingsFrom } from '../../src/service/settings.js';

const read = (env: Record<string, string>) => settingsFrom(env, { instance: 'host-1' });

it('runs in memory when nothing is set', () => {
  expect(read({})).toEqual({
    cacheType: 'memory',
    keyPrefix: 'app:development:',
    twoLevel: false,
    sessions: 'memory',
    rateLimit: { store: 'memory', perMinute: 0 },
    queueType: 'memory',
    queueFallback: false,
    jobQueues: [],
    concurrency: 1,
    leaseMs: 30_000,
    switches: {
      REDIS_ENABLED: false,
      REDIS_TASK_STATUS_ENABLED: false,
      REDIS_CHAT_SESSION_ENABLED: false,
      REDIS_CACHE_ENABLED: false,
      REDIS_RATE_LIMIT_ENABLED: false,
    },
    tasks: 'memory',
    host: '127.0.0.1',
    port: 0,
    instance: 'host-1',
  });
});

it('takes Redis from its URL before its parts', () => {
  const url = 'rediss://user:p%40ss@cache.example:6380/2';
  expect(read({ REDIS_URL: url, REDIS_HOST: 'ignored' }).redis).toEqual({
    host: 'cache.example',
    port: 6380,
    db: 2,
    username: 'user',
    password: 'p@ss',
    tls: true,
  });
  expect(
    read({ REDIS_URL: '', REDIS_HOST: 'h', REDIS_PASSWORD: 'p', REDIS_DB: '3' }).redis,
  ).toEqual({
    host: 'h',
    port: 6379,
    db: 3,
    password: 'p',
  });
});

it.each([
  [{}, 'redis', 'memory'],
  [{ CACHE_TYPE: 'memory' }, 'memory', 'memory'],
  [{ REDIS_CACHE_ENABLED: 'false' }, 'memory', 'memory'],
  [
    { REDIS_ENABLED: 'false', CACHE_TYPE: 'redis', REDIS_TASK_STATUS_ENABLED: 'true' },
    'memory',
    'memory',
  ],
  [{ REDIS_TASK_STATUS_ENABLED: 'true', CACHE_TYPE: 'memory' }, 'memory', 'redis'],
  [{ REDIS_TASK_STATUS_ENABLED: '1', REDIS_TASK_STATUS_DUAL_WRITE: 'yes' }, 'redis', 'both'],
  [{ REDIS_TASK_STATUS_DUAL_WRITE: 'true' }, 'redis', 'memory'],
] as [Record<string, string>, string, string][])(
  'with %j the cache is in %s and tasks in %s',
  (env, cache, tasks) => {
    expect(read({ REDIS_HOST: 'h', ...env })).toMatchObject({ cacheType: cache, tasks });
  },
);

it('builds the beginning of every key from prefix and environment', () => {
  expect(read({ REDIS_PREFIX: 'langextract', NODE_ENV: 'test' }).keyPrefix).toBe(
    'langextract:test:',
  );
  expect(read({ ENV: 'production', NODE_ENV: 'test' }).keyPrefix).toBe('app:production:');
});

it.each([
  [{ CACHE_TYPE: 'redis' }, /^CACHE_TYPE=redis needs REDIS_URL or REDIS_HOST$/],
  [{ CACHE_TYPE: 'disk' }, /^CACHE_TYPE: /],
  [{ REDIS_ENABLED: 'maybe' }, /^REDIS_ENABLED: /],
  [{ CACHE_TYPE: 'postgres' }, /need DATABASE_URL$/],
  [{ QUEUE_TYPE: 'redis' }, /^QUEUE_TYPE=redis needs REDIS_URL/],
  [{ QUEUE_FALLBACK: 'disk' }, /^QUEUE_FALLBACK: /],
  [{ JOB_QUEUES: 'a,../b' }, /^JOB_QUEUES: /],
  [{ DATABASE_URL: 'mysql://:hidden-word@x' }, /^DATABASE_URL: /],
  [{ API_TOKEN: 'hidden-word' }, /^API_TOKEN: /],
  [{ PORT: '70000' }, /^PORT: /],
  [{ PORT: '12x' }, /^PORT: /],
  [{ REDIS_PREFIX: 'a:*' }, /^REDIS_PREFIX: /],
  [{ REDIS_URL: 'http://:hidden-word@x' }, /^REDIS_URL: /],
  [{ REDIS_URL: 'redis://:hidden-word@x:port' }, /^REDIS_URL: /],
  [{ PORT: '-1', CACHE_TYPE: 'x' }, /CACHE_TYPE.*PORT/],
] as [Record<string, string>, RegExp][])(
  'refuses %j in one line without values',
  (env, message) => {
    let error: unknown;
    try {
      read(env);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(SettingsError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toMatch(/\n|hidden-word/);
  },
);
