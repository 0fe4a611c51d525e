import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { failedJobs } from '../queues/failed.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { actingOn } from './queue-acting.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2026, 4, 1);

async function fill(count: number, name = 'mail') {
  await (await failedJobs(redis, name, count)).close();
}

/** `queue stats` so long after the first one. */
function measuring() {
  const site = actingOn(server);
  return {
    ...site,
    async growth(after: number) {
      const { code, stdout } = await site.run(['queue', 'stats', 'mail', '--json'], {
        ...terminal(site.folder),
        now: () => START + after,
      });
      const [queue] = JSON.parse(stdout).queues;
      expect(code).toBe(0);
      return queue.growth;
    },
  };
}
const terminal = (folder: string) => ({
  env: { XDG_STATE_HOME: join(folder, 'state'), HOME: folder },
});

it('says by how much the kept jobs and their memory have grown since an earlier time', async () => {
  await fill(100);
  const { growth } = measuring();
  expect(await growth(0)).toBeNull();
  expect(await growth(30_000)).toBeNull();
  await redis.del('bull:mail:id');
  await fill(400);
  const grown = await growth(2 * HOUR);
  expect(grown).toMatchObject({
    since: new Date(START).toISOString(),
    over_ms: 2 * HOUR,
    jobs: 300,
    jobs_per_hour: 150,
  });
  expect(grown.bytes).toBeGreaterThan(300 * 100);
  expect(grown.bytes_per_hour).toBe(Math.round(grown.bytes / 2));
});

it('says so of a queue that has become smaller, or empty', async () => {
  await fill(100);
  const { growth } = measuring();
  await growth(0);
  await redis.zremrangebyrank('bull:mail:failed', 0, 49);
  expect(await growth(HOUR)).toMatchObject({ jobs: -50, jobs_per_hour: -50 });
  await redis.del('bull:mail:failed');
  const emptied = await growth(2 * HOUR);
  expect(emptied.jobs).toBe(-100);
  expect(emptied.bytes).toBeLessThan(0);
});

it('compares with what was at most a day ago, or else with the last time', async () => {
  await fill(10);
  const { growth } = measuring();
  await growth(0);
  expect((await growth(20 * HOUR)).over_ms).toBe(20 * HOUR);
  expect((await growth(30 * HOUR)).over_ms).toBe(10 * HOUR);
  expect((await growth(30 * HOUR + MINUTE)).over_ms).toBe(10 * HOUR + MINUTE);
  expect((await growth(300 * HOUR)).over_ms).toBe(270 * HOUR);
  expect((await growth(300 * HOUR + 1)).over_ms).toBe(270 * HOUR + 1);
  // A clock that was set back.
  expect(await growth(-HOUR)).toBeNull();
});

it('shows it with its sign and its span, and that there is nothing to compare with yet', async () => {
  await fill(10);
  const { run, folder } = measuring();
  const show = (after: number, columns: number) =>
    run(['queue', 'stats', 'mail', '--no-color'], {
      ...terminal(folder),
      tty: true,
      columns,
      now: () => START + after,
    });
  expect((await show(0, 200)).stdout).toContain('there is none yet');
  await redis.zadd('bull:mail:failed', 1, 'a', 2, 'b');
  const { stdout } = await show(HOUR, 200);
  expect(stdout).toMatch(/kept\/h +memory\/h/);
  expect(stdout).toMatch(/ \+2 +\+/);
  expect(stdout).toContain('growth over the last 1h');
  for (const line of (await show(2 * HOUR, 40)).stdout.split('\n'))
    expect(line.length).toBeLessThanOrEqual(40);
});

it('measures all the same where nothing can be remembered', async () => {
  await fill(10);
  const { run, folder } = measuring();
  mkdirSync(join(folder, 'state'));
  writeFileSync(join(folder, 'state', 'cache-ops'), 'in the way');
  const { code, stdout, stderr } = await run(['queue', 'stats', 'mail']);
  expect(code).toBe(0);
  expect(stdout).toContain('mail');
  expect(stderr).toContain('nothing to compare with next time: cannot write');
});
