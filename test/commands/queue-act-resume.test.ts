import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { runProgram, startBin } from '../e2e/bin.js';
import { buildCli } from '../queues/built.js';
import { failedJobs } from '../queues/failed.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { actingOn } from './queue-acting.js';

let server: RedisServer;
let redis: Redis;
let cli: Awaited<ReturnType<typeof buildCli>>;
const opened: Queue[] = [];
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
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()));
});

async function fill(count: number) {
  opened.push(await failedJobs(redis, 'mail', count));
}

type Site = ReturnType<typeof actingOn>;

function start({ folder }: Site, ...argv: string[]) {
  const env = { XDG_STATE_HOME: join(folder, 'state'), HOME: folder };
  const child = startBin(['queue', ...argv], { bin: cli.bin, env, cwd: folder });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

const summaryOf = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1) ?? '');

/** Every job is in the list of waiting ones exactly once. */
async function expectEachOnce(count: number) {
  const ids = await redis.lrange('bull:mail:wait', 0, -1);
  expect([ids.length, new Set(ids).size]).toEqual([count, count]);
  expect(await redis.zcard('bull:mail:failed')).toBe(0);
}

it('after kill -9 in the middle, --resume goes on: every id once, none lost', async () => {
  await fill(3_000);
  const site = actingOn(server);
  const first = start(site, 'retry', '--queue', 'mail', '--all', '--yes', '--rate', '1000');
  await until(async () => (await redis.zcard('bull:mail:failed')) < 1_990, { every: 1 });
  first.kill('SIGKILL');
  expect((await first.ended).code).toBe('SIGKILL');
  const open = JSON.parse((await site.run(['queue', 'history', '--json'])).stdout);
  expect(open.operations).toMatchObject([{ state: 'open', total: 3_000 }]);

  const { code, summary } = await site.act(['retry', '--resume', '--rate', '9000']);
  const { done, raced } = summary.counts;
  expect(done + raced).toBe(3_000);
  // What the killed run had not written down is said to be in doubt, and is of one chunk.
  expect([raced === summary.in_doubt, raced <= 1_000]).toEqual([true, true]);
  expect(code).toBe(raced > 0 ? 4 : 0);
  await expectEachOnce(3_000);
  const again = await site.run(['queue', 'retry', '--resume']);
  expect([again.code, again.stderr.includes('no "queue retry" is open')]).toEqual([2, true]);
  const folder = join(site.state, 'queues', 'bulk', summary.operation);
  expect(readdirSync(folder).sort()).toEqual(['journal.ndjson', 'operation.json']);
});

it('SIGINT ends it at a chunk boundary with the command to go on; nothing is in doubt', async () => {
  await fill(1_000);
  const site = actingOn(server);
  const first = start(site, 'retry', '--queue', 'mail', '--all', '--yes', '--rate', '200');
  await until(async () => (await redis.zcard('bull:mail:failed')) < 1_000);
  first.kill('SIGINT');
  const { code, stderr } = await first.ended;
  expect(code).toBe(130);
  const [, id = ''] = /To go on: cache-ops queue retry --resume (\S+)/.exec(stderr) ?? [];
  expect(site.audited()).toMatchObject([{ action: 'queue retry', result: 'interrupted' }]);

  const other = await site.run(['queue', 'cancel', '--resume', id]);
  expect([other.code, other.stderr.includes('is a retry')]).toEqual([2, true]);
  const { code: resumed, summary } = await site.act(['retry', '--resume', id, '--rate', '9000']);
  expect([resumed, summary.counts.done, summary.in_doubt]).toEqual([0, 1_000, 0]);
  await expectEachOnce(1_000);
});

it('one process at a time works on an operation', async () => {
  await fill(1_000);
  const site = actingOn(server);
  const first = start(site, 'retry', '--queue', 'mail', '--all', '--yes', '--rate', '200');
  await until(async () => (await redis.zcard('bull:mail:failed')) < 1_000);
  const { code, stderr } = await site.run(['queue', 'retry', '--resume']);
  expect([code, stderr.includes(`process ${first.pid} is at work`)]).toEqual([6, true]);
  const { operations } = JSON.parse((await site.run(['queue', 'history', '--json'])).stdout);
  expect(operations).toMatchObject([{ state: 'running', resume: null }]);
  first.kill('SIGINT');
  expect((await first.ended).code).toBe(130);
});

it('an operation is not resumed on another estate', async () => {
  await fill(1_000);
  const site = actingOn(server);
  const first = start(site, 'retry', '--queue', 'mail', '--all', '--yes', '--rate', '200');
  await until(async () => (await redis.zcard('bull:mail:failed')) < 1_000);
  first.kill('SIGKILL');
  await first.ended;
  const elsewhere = actingOn({ ...server, url: `redis://localhost:${server.port}` });
  const env = { XDG_STATE_HOME: join(site.folder, 'state') };
  const { code, stderr } = await elsewhere.run(['queue', 'retry', '--resume'], { env });
  expect([code, stderr.includes('begun on another estate')]).toEqual([6, true]);
});

it('what a process killed while choosing has left is cleared away', async () => {
  await fill(10);
  const site = actingOn(server);
  const left = join(site.state, 'queues', 'bulk', '20260101-000000-retry-aaaaaa');
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, 'chosen.ndjson'), '[0,"job-1"');
  utimesSync(left, 0, 0);
  expect((await site.act(['retry', 'job-1', '--yes'])).code).toBe(0);
  expect(existsSync(left)).toBe(false);
});

it('a Redis that goes away in the middle leaves an operation that can be resumed', async () => {
  const mortal = await startRedis({ aof: true, config: ['appendfsync always'] });
  onTestFinished(() => mortal.stop());
  const own = new Redis(mortal.url, { retryStrategy: null, lazyConnect: true });
  own.on('error', () => {});
  await own.connect();
  const queue = await failedJobs(own, 'mail', 1_000);
  queue.on('error', () => {});
  const site = actingOn(mortal);
  const first = start(
    site,
    'retry',
    '--queue',
    'mail',
    '--all',
    '--yes',
    '--rate',
    '200',
    '--json',
  );
  await until(async () => (await own.zcard('bull:mail:failed')) < 1_000);
  await queue.close();
  own.disconnect();
  mortal.kill('SIGKILL');
  const { code, stdout, stderr } = await first.ended;
  expect(code).toBe(5);
  expect(JSON.parse(stderr).error.hint).toContain('go on with: cache-ops queue retry --resume');
  expect(summaryOf(stdout)).toMatchObject({ state: 'open', resume: expect.any(String) });
  spawn('/bin/sh', ['-c', mortal.startCommand], { stdio: 'ignore' });
  await until(async () => (await site.run(['ping'])).code === 0);
  const { summary } = await site.act(['retry', '--resume', '--rate', '9000']);
  expect(summary.counts.done + summary.counts.raced).toBe(1_000);
});

it('a resumed run keeps the rate of the first one', async () => {
  await fill(600);
  const site = actingOn(server);
  const first = start(site, 'retry', '--queue', 'mail', '--all', '--yes', '--rate', '200');
  await until(async () => (await redis.zcard('bull:mail:failed')) < 600);
  first.kill('SIGINT');
  await first.ended;
  const { lines } = await site.act(['retry', '--resume']);
  const positions = lines.filter(({ type }) => type === 'progress').map((line) => line.position);
  expect(positions).toEqual([400, 600]);
});

it('a disk that is full while jobs are chosen stops it before anything is changed', async () => {
  await fill(3_000);
  const site = actingOn(server);
  const env = { XDG_STATE_HOME: join(site.folder, 'state'), HOME: site.folder };
  // Files of at most 8 blocks: what is written beyond them fails as on a full disk.
  const words = 'retry --queue mail --all --yes';
  const { code, stderr } = await runProgram(
    '/bin/sh',
    ['-c', `ulimit -f 8; exec "$0" "$1" queue ${words}`, process.execPath, cli.bin],
    { env, cwd: site.folder },
  );
  expect([code, stderr.includes('cannot write')]).toEqual([1, true]);
  expect(await redis.zcard('bull:mail:failed')).toBe(3_000);
  expect(readdirSync(join(site.state, 'queues', 'bulk'))).toEqual([]);
});
