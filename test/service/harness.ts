import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { createClient } from '../../src/service/connection/client.js';
import { startService } from '../../src/service/server.js';
import { settingsFrom } from '../../src/service/settings.js';
import { isRunning, type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

export type Env = Record<string, string>;

/** A Redis of the test's own, killed when the test ends. */
export async function redisFor(
  options: Parameters<typeof startRedis>[0] = {},
): Promise<RedisServer> {
  const redis = await startRedis(options);
  onTestFinished(() => redis.stop());
  return redis;
}

/** Starts again, at the same port, what was killed; resolves when its new process has begun. */
export async function restart(redis: RedisServer): Promise<void> {
  const before = redis.pid;
  await until(() => !isRunning(before));
  await promisify(execFile)('sh', ['-c', redis.startCommand]);
  await until(() => redis.pid !== before);
}

/** The service in this process, as its environment describes it. */
export async function serviceFor(env: Env, instance = 'one') {
  const settings = settingsFrom({ REDIS_PREFIX: 'test', ENV: 'ci', ...env }, { instance });
  const errors: unknown[] = [];
  const service = await startService(settings, { onError: (error) => errors.push(error) });
  onTestFinished(() => service.close());
  return { ...service, errors, ...clientOf(service.url) };
}

/** What Redis itself says. */
export async function raw<T>(
  redis: RedisServer,
  run: (client: ReturnType<typeof createClient>) => T,
) {
  const client = createClient({ host: '127.0.0.1', port: redis.port, db: 0 });
  await client.connect();
  try {
    return await run(client);
  } finally {
    client.disconnect();
  }
}

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into whatever JSON came back
  body: any;
}

export function clientOf(url: string) {
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Env = {},
  ): Promise<Answer> => {
    const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(url + path, {
      method,
      headers,
      ...(body !== undefined && { body: raw ? (body as string) : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  const health = async () => (await call('GET', '/api/health')).body;
  return {
    call,
    health,
    put: (key: string, value: unknown, ttl?: number) =>
      call('PUT', `/api/cache/${encodeURIComponent(key)}`, { value, ttl }),
    get: (key: string) => call('GET', `/api/cache/${encodeURIComponent(key)}`),
    /** Waits for the mode that health shows; returns how long that took, in milliseconds. */
    async mode(expected: 'redis' | 'memory', timeout = 5_000): Promise<number> {
      const start = performance.now();
      await until(async () => (await health()).cache === expected, { timeout });
      return performance.now() - start;
    },
  };
}

/**
 * Users who never pause: each writes and reads its own keys, and asks for health now and then.
 * `stop()` tells how many requests there were, how many failed, and the longest in milliseconds.
 */
export function traffic(url: string, users = 4) {
  const { call } = clientOf(url);
  const failures: string[] = [];
  let stopped = false;
  let count = 0;
  let worst = 0;
  let worstHealth = 0;
  const timed = async (method: string, path: string, body?: unknown) => {
    const start = performance.now();
    const answer = await call(method, path, body).catch((error) => ({
      status: 0,
      body: `${error}`,
    }));
    const ms = performance.now() - start;
    if (path === '/api/health') worstHealth = Math.max(worstHealth, ms);
    worst = Math.max(worst, ms);
    count += 1;
    if (answer.status !== 200) failures.push(`${method} ${path}: ${answer.status}`);
    return answer;
  };
  const user = async (name: number) => {
    for (let turn = 0; !stopped; turn += 1) {
      const path = `/api/cache/user:${name}:${turn % 50}`;
      await timed('PUT', path, { value: turn });
      // A read of our own write, unless the mode changed between the two: then a miss is legal.
      const start = performance.now();
      const read = await call('GET', path).catch(() => ({ status: 0, body: undefined }));
      worst = Math.max(worst, performance.now() - start);
      count += 1;
      if (read.status !== 200 && read.status !== 404) failures.push(`GET ${path}: ${read.status}`);
      if (read.status === 200 && read.body.value !== turn) failures.push(`GET ${path}: stale`);
      await timed('GET', '/api/health');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const running = Promise.all(Array.from({ length: users }, (_, name) => user(name)));
  return {
    async stop() {
      stopped = true;
      await running;
      return { count, failures, worst, worstHealth };
    },
  };
}
