import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { startBin } from '../e2e/bin.js';
import { buildCli } from '../queues/built.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { fill, keysOn } from './keys-estate.js';

let server: RedisServer;
let redis: Redis;
let cli: Awaited<ReturnType<typeof buildCli>>;
beforeAll(async () => {
  [server, cli] = await Promise.all([startRedis(), buildCli()]);
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  cli.remove();
  await server.stop();
});
beforeEach(() => redis.flushall());

type Site = ReturnType<typeof keysOn>;

function start({ folder }: Site, ...argv: string[]) {
  const env = { XDG_STATE_HOME: join(folder, 'state'), HOME: folder };
  const child = startBin(['keys', ...argv], { bin: cli.bin, env, cwd: folder });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

it('after kill -9 in the middle of 20,000, --resume removes exactly the rest', async () => {
  await fill(redis, 'tmp:', 20_000);
  await fill(redis, 'keep:', 10);
  const site = keysOn(server.url);
  const first = start(site, 'rm', 'tmp:*', '--yes', '--rate', '20000');
  await until(async () => (await redis.dbsize()) < 16_000, { every: 1 });
  first.kill('SIGKILL');
  expect((await first.ended).code).toBe('SIGKILL');
  const left = (await redis.dbsize()) - 10;
  expect(left).toBeGreaterThan(0);
  // Made after the choosing: it fits the pattern, and was not agreed to.
  await redis.set('tmp:late', 'x');

  const { code, items, result } = await site.json('rm', '--resume', '--rate', '100000');
  expect(code).toBe(0);
  const { done, gone } = result.counts;
  expect(done + gone).toBe(20_000);
  // What the killed run had not written down is said to be in doubt, and is of one chunk.
  expect([gone === result.in_doubt, gone <= 1_000]).toEqual([true, true]);
  expect(items.filter((item) => item.result === 'done')).toHaveLength(left);
  expect(await redis.keys('tmp:*')).toEqual(['tmp:late']);
  expect(await redis.keys('keep:*')).toHaveLength(10);
  expect(site.audited()).toMatchObject([
    { action: 'keys rm', result: 'done', detail: { total: 20_000 } },
  ]);
  const again = await site.json('rm', '--resume');
  expect([again.code, again.error.message]).toEqual([
    2,
    expect.stringContaining('nothing is open'),
  ]);
});

it('SIGINT ends it at a chunk boundary with the command to go on; nothing is in doubt', async () => {
  await fill(redis, 'tmp:', 3_000);
  const site = keysOn(server.url);
  const first = start(site, 'rm', 'tmp:*', '--yes', '--rate', '1000', '--json');
  await until(async () => (await redis.dbsize()) < 3_000, { every: 1 });
  first.kill('SIGINT');
  const { code, stdout } = await first.ended;
  expect(code).toBe(130);
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  expect(summary).toMatchObject({ state: 'open', in_doubt: 0, total: 3_000 });
  expect(summary.counts.done).toBe(3_000 - (await redis.dbsize()));
  const words = summary.resume.split(' ').slice(2);
  const { code: end, result } = await site.json(...words, '--rate', '100000');
  expect([end, result.counts.done, result.in_doubt]).toEqual([0, 3_000, 0]);
  expect(await redis.dbsize()).toBe(0);
});

it('killed while it is still choosing, it leaves nothing to go on with', async () => {
  await fill(redis, 'tmp:', 20_000);
  const site = keysOn(server.url);
  const first = start(site, 'rm', 'tmp:*', '--yes', '--rate', '1');
  const folder = join(site.state, 'keys', 'bulk');
  await until(() => {
    try {
      return readdirSync(folder).length > 0;
    } catch {
      return false;
    }
  });
  first.kill('SIGKILL');
  await first.ended;
  const { code } = await site.json('rm', '--resume', '--rate', '100000');
  // By then it may have agreed with itself already: either nothing was begun, or all of it is done.
  expect([2, 0]).toContain(code);
  expect([20_000, 0]).toContain(await redis.dbsize());
});

it('a second process does not work on the same change', async () => {
  await fill(redis, 'tmp:', 3_000);
  const site = keysOn(server.url);
  const first = start(site, 'rm', 'tmp:*', '--yes', '--rate', '1000');
  await until(async () => (await redis.dbsize()) < 3_000, { every: 1 });
  const second = await site.json('rm', '--resume');
  expect([second.code, second.error.message]).toEqual([
    6,
    expect.stringContaining('is at work on'),
  ]);
  first.kill('SIGINT');
  await first.ended;
});

it('does not go on where the name means another Redis', async () => {
  await fill(redis, 'tmp:', 3_000);
  const site = keysOn(server.url);
  const first = start(site, 'rm', 'tmp:*', '--yes', '--rate', '1000');
  await until(async () => (await redis.dbsize()) < 3_000, { every: 1 });
  first.kill('SIGINT');
  await first.ended;
  const left = await redis.dbsize();
  const other = await startRedis();
  onTestFinished(() => other.stop());
  const env = { XDG_STATE_HOME: join(site.folder, 'state'), REDIS_URL: other.url };
  const { code, stderr } = await site.keys(['rm', '--resume'], { env, cwd: '/' });
  expect([code, stderr.includes('was begun on another estate')]).toEqual([6, true]);
  expect(await redis.dbsize()).toBe(left);
});

it('a server that goes away ends it with 5 and the command to go on', async () => {
  const own = await startRedis({ aof: true });
  onTestFinished(() => own.stop());
  const client = new Redis(own.url, { retryStrategy: () => null });
  client.on('error', () => {});
  await fill(client, 'tmp:', 5_000);
  const site = keysOn(own.url);
  const first = start(site, 'rm', 'tmp:*', '--yes', '--rate', '2000');
  await until(async () => (await client.dbsize()) < 5_000, { every: 1 });
  own.kill('SIGKILL');
  const { code, stderr } = await first.ended;
  expect(code).toBe(5);
  expect(stderr).toContain('go on with: cache-ops keys rm --resume');
  client.disconnect();
});
