import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { buildCli } from '../queues/built.js';
import { command } from '../servers/command.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { startSentinel } from '../servers/sentinel.js';
import { until } from '../servers/wait.js';
import { restart } from '../service/harness.js';
import { clientFor, keyOf, migrating, task, tasks } from './estate.js';
import { applyWithKills } from './killing.js';

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

describe('kill -9', () => {
  it('at random moments: --resume ends with exactly the plan, and a rollback takes back all of it', async () => {
    const site = migrating(server.url);
    const entries = tasks(8_000);
    // What apply overwrites must come back, too.
    const old = entries.filter((_, index) => index % 10 === 0);
    for (const entry of old)
      await redis.set(keyOf(entry), `{"status":"old","updatedAt":"2001-01-01"}`, 'EX', 5_000);
    // Equal before: a rollback leaves it, killed or not.
    const equal = entries.filter((_, index) => index % 10 === 1);
    for (const entry of equal) await redis.set(keyOf(entry), JSON.stringify(entry), 'EX', 5_000);
    const id = await site.plan(site.file('tasks.ndjson', entries));
    const flags = ['--rate', '8000'];
    const { reached } = await applyWithKills(site, cli.bin, id, { kills: 8, longest: 900, flags });
    expect(Math.max(...reached)).toBeGreaterThan(0);
    const verified = await site.json(['verify', id]);
    expect([verified.code, verified.result.counts.equal]).toEqual([0, 8_000]);
    const { result } = await site.json(['rollback', id, '--yes']);
    expect(result.counts).toEqual({
      changed: 0,
      removed: 6_400,
      restored: 800,
      gone: 0,
      hidden: 0,
    });
    expect(await redis.dbsize()).toBe(1_600);
    expect(await redis.get(keyOf(task(10)))).toContain('2001-01-01');
    expect(await redis.ttl(keyOf(task(10)))).toBeLessThanOrEqual(5_000);
  });

  it('in the middle of a rollback: the same command ends it', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(30_000)));
    await site.json(['apply', id, '--yes']);
    const child = site.start(cli.bin, 'rollback', id, '--yes');
    await until(async () => (await redis.dbsize()) < 30_000, { every: 1 });
    child.kill('SIGKILL');
    await child.ended;
    const { code } = await site.json(['rollback', id, '--yes']);
    expect([code, await redis.dbsize()]).toEqual([0, 0]);
  });

  it('in the middle of plan: nothing is left that could be applied', async () => {
    const site = migrating(server.url);
    site.file('tasks.ndjson', tasks(60_000));
    const child = site.start(cli.bin, 'plan', '--from', 'tasks.ndjson', '--to', 'redis:main');
    await until(async () => (await redis.info('commandstats')).includes('cmdstat_get:'), {
      every: 1,
    });
    child.kill('SIGKILL');
    await child.ended;
    expect((await site.json(['list'])).result.plans).toEqual([]);
    expect(await redis.dbsize()).toBe(0);
  });
});

describe('an interrupt', () => {
  it('ends it between chunks, with the command to go on; two do not work on one plan', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(3_000)));
    const child = site.start(cli.bin, 'apply', id, '--yes', '--rate', '500', '--json');
    await until(async () => (await redis.dbsize()) > 0, { every: 1 });
    expect((await site.json(['apply', id, '--yes'])).code).toBe(6);
    child.kill('SIGINT');
    const { code, stdout } = await child.ended;
    const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect([code, summary.state]).toEqual([130, 'open']);
    const words = summary.resume.split(' ').slice(2);
    const { result } = await site.json([...words, '--yes']);
    expect([result.state, result.counts.created, result.in_doubt]).toEqual(['applied', 3_000, 0]);
  });
});

describe('a live writer', () => {
  it('that updates a tenth of the entries meanwhile is never overwritten by older state', async () => {
    const site = migrating(server.url);
    const entries = tasks(6_000);
    const hot = entries.filter((_, index) => index % 10 === 0);
    // Older values, so that apply overwrites: what it looked at may have changed when it does.
    for (const entry of entries.slice(0, 4_000))
      await redis.set(
        keyOf(entry),
        JSON.stringify({ ...entry, updatedAt: '2001-01-01' }),
        'EX',
        900,
      );
    const id = await site.plan(site.file('tasks.ndjson', entries));
    const writer = clientFor(server.url);
    const last = new Map<string, string>();
    let stopped = false;
    const writing = (async () => {
      for (let turn = 0; !stopped; turn += 1) {
        const some = hot.slice((turn * 20) % hot.length, ((turn * 20) % hot.length) + 20);
        const pipeline = writer.pipeline();
        for (const entry of some) {
          const changed = { ...entry, status: 'completed', progress: turn, updatedAt: Date.now() };
          last.set(keyOf(entry), JSON.stringify(changed));
          pipeline.set(keyOf(entry), JSON.stringify(changed), 'EX', 86_400);
        }
        await pipeline.exec();
      }
    })();
    const { code } = await site.json(['apply', id, '--yes', '--rate', '4000']);
    stopped = true;
    await writing;
    expect([code, last.size]).toEqual([0, hot.length]);
    for (const [key, value] of last) expect(await redis.get(key)).toBe(value);
    const { code: agreed, result } = await site.json(['verify', id]);
    expect([agreed, result.counts.newer, result.counts.equal]).toEqual([0, 600, 5_400]);
  });
});

describe('a server that goes away', () => {
  it('is told with 5; started again with nothing in it, --resume ends right', async () => {
    const own = await startRedis();
    onTestFinished(() => own.stop());
    const client = clientFor(own.url);
    const site = migrating(own.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(5_000)));
    const child = site.start(cli.bin, 'apply', id, '--yes', '--rate', '2000');
    await until(async () => (await client.dbsize()) > 0, { every: 1 });
    own.kill('SIGKILL');
    const { code, stderr } = await child.ended;
    expect(code).toBe(5);
    expect(stderr).toContain(`go on with: cache-ops migrate apply ${id} --resume`);
    await restart(own);
    await until(async () => (await client.dbsize()) === 0);
    expect((await site.json(['apply', id, '--yes', '--resume'])).code).toBe(0);
    expect((await site.json(['verify', id])).result.counts.equal).toBe(5_000);
  });

  it('a failover by Sentinel in the middle: ends right after --resume', async () => {
    const estate = await startSentinel();
    onTestFinished(() => estate.stop());
    const nodes = estate.sentinels.map(({ host, port }) => `${host}:${port}`);
    const site = migrating('', { redis: { main: { sentinel: { name: 'main', nodes } } } });
    const id = await site.plan(site.file('tasks.ndjson', tasks(5_000)));
    const child = site.start(cli.bin, 'apply', id, '--yes', '--rate', '2000');
    const size = async (port: number) => Number((await command(port, 'DBSIZE')).slice(1));
    await until(async () => (await size(estate.master.port)) > 0, { every: 1 });
    estate.master.kill('SIGKILL');
    expect((await child.ended).code).toBe(5);
    await until(async () => (await command(estate.replica.port, 'ROLE')).includes('master'), {
      timeout: 20_000,
      what: 'the failover',
    });
    await until(async () => (await site.json(['apply', id, '--yes', '--resume'])).code === 0, {
      timeout: 20_000,
    });
    const { code, result } = await site.json(['verify', id]);
    expect([code, result.counts.equal]).toEqual([0, 5_000]);
    expect(await size(estate.replica.port)).toBe(5_000);
  });
});
