import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command } from '../servers/command.js';
import { startPostgres } from '../servers/postgres.js';
import { alertEstate, HOUR, killed, MINUTE, redisFor } from './estate.js';

const MAIL = 'queue:main/bull:mail';

async function bullmq() {
  const redis = await redisFor();
  const connection = { host: '127.0.0.1', port: redis.port };
  const queue = new Queue('mail', { connection });
  const client = new Redis(redis.port);
  for (const each of [queue, client]) each.on('error', () => {});
  onTestFinished(async () => {
    await queue.close().catch(() => {});
    client.disconnect();
  });
  await queue.waitUntilReady();
  const estate = alertEstate({
    redis: { main: { url: redis.url, roles: ['cache', 'queue'] } },
    queues: [{ engine: 'bullmq', redis: 'main' }],
    alerts: { rules: [{ rule: 'stalled', for: 0 }] },
  });
  estate.clock.now = Date.now();
  return { redis, queue, client, ...estate };
}

describe('alerts on queues of BullMQ', () => {
  it('tell jobs that failed within an hour, not those of yesterday', async () => {
    const { client, check, clock } = await bullmq();
    const failed = (count: number, at: number) =>
      client.zadd(
        'bull:mail:failed',
        ...Array.from({ length: count }, (_, i) => [at, `${at}-${i}`]).flat(),
      );
    await failed(50, clock.now - 25 * HOUR);
    expect((await check()).line('failed', MAIL)).toMatchObject({ phase: 'inactive', value: 0 });
    await failed(11, clock.now - 10 * MINUTE);
    expect((await check()).line('failed', MAIL)).toMatchObject({
      phase: 'firing',
      severity: 'warn',
      summary: '11 jobs failed within an hour',
    });
  });

  it('tell active jobs that have lost their lock', async () => {
    const { client, check } = await bullmq();
    await client.lpush('bull:mail:active', '1', '2', '3');
    await client.mset('bull:mail:1:lock', 'a', 'bull:mail:2:lock', 'b', 'bull:mail:3:lock', 'c');
    expect((await check()).line('stalled', MAIL)?.value).toBe(0);
    await client.del('bull:mail:2:lock');
    expect((await check()).line('stalled', MAIL)).toMatchObject({ phase: 'firing', value: 1 });
  });

  it('tell jobs without a worker after five minutes, the oldest, and a pause of half an hour', async () => {
    const { queue, check, clock } = await bullmq();
    await queue.add('one', {}, { timestamp: clock.now - 16 * MINUTE });
    const phases = async () => {
      const { line } = await check();
      return ['workers', 'oldest_waiting', 'paused'].map((rule) => line(rule, MAIL)?.phase);
    };
    expect(await phases()).toEqual(['pending', 'firing', 'inactive']);
    clock.now += 5 * MINUTE;
    expect((await phases())[0]).toBe('firing');
    await queue.pause();
    clock.now += MINUTE;
    // What is held back by a pause is neither late nor unserved.
    expect(await phases()).toEqual(['resolved', 'resolved', 'pending']);
    clock.now += 30 * MINUTE;
    expect((await phases())[2]).toBe('firing');
  });

  it('tell kept jobs that become more without bound, not those that only are many', async () => {
    const { client, check, clock } = await bullmq();
    const keep = (from: number, to: number) =>
      client.zadd(
        'bull:mail:completed',
        ...Array.from({ length: to - from }, (_, i) => [from + i, `j${from + i}`]).flat(),
      );
    await keep(0, 12_000);
    for (let turn = 0; turn < 6; turn += 1) {
      await check();
      clock.now += 10 * MINUTE;
    }
    expect((await check()).line('retained', MAIL)).toMatchObject({ phase: 'inactive', value: 0 });
    clock.now += 7 * HOUR;
    for (let turn = 0; turn < 6; turn += 1) {
      await keep(12_000 + turn * 100, 12_100 + turn * 100);
      await check();
      clock.now += 10 * MINUTE;
    }
    expect((await check()).line('retained', MAIL)).toMatchObject({
      phase: 'firing',
      value: 12_600,
    });
  });

  it('are kept, and not told, while their Redis is down', async () => {
    const { redis, client, check, clock } = await bullmq();
    await client.zadd(
      'bull:mail:failed',
      ...Array.from({ length: 20 }, (_, i) => [clock.now, `${i}`]).flat(),
    );
    expect((await check()).line('failed', MAIL)?.phase).toBe('firing');
    await killed(redis);
    clock.now += MINUTE;
    const { line } = await check();
    expect(line('down')).toMatchObject({ phase: 'firing', severity: 'critical' });
    expect(line('failed', MAIL)).toMatchObject({ phase: 'firing', inhibited_by: 'redis:main' });
  });

  it('look for new queues every ten minutes, and not at every look through all keys', async () => {
    const { redis, check, clock } = await bullmq();
    await check();
    await command(redis.port, 'CONFIG RESETSTAT');
    for (let look = 0; look < 3; look += 1) {
      clock.now += MINUTE;
      await check();
    }
    expect(await command(redis.port, 'INFO commandstats')).not.toContain('cmdstat_scan');
    await command(redis.port, 'HSET bull:later:meta opts.maxLenEvents 10000');
    clock.now += 10 * MINUTE;
    expect((await check()).line('depth', 'queue:main/bull:later')?.phase).toBe('inactive');
  });
});

describe('alerts on Postgres', () => {
  it('tell expired rows of app_cache, jobs beyond their time, maintenance that is overdue, and down', async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    const client = new pg.Client(postgres.url);
    client.on('error', () => {});
    await client.connect();
    onTestFinished(() => client.end().catch(() => {}));
    const boss = new PgBoss({ connectionString: postgres.url, schema: 'boss' });
    boss.on('error', () => {});
    await boss.start();
    await boss.createQueue('work');
    await boss.send('work', {});
    await boss.fetch('work');
    await boss.stop({ graceful: false });
    await client.query(
      'CREATE TABLE app_cache (id serial, key varchar(500) UNIQUE, value jsonb, expires_at timestamptz, created_at timestamptz)',
    );
    const { check, clock } = alertEstate({
      postgres: { main: postgres.url },
      queues: [{ engine: 'pgboss', postgres: 'main' }],
      alerts: { rules: [{ rule: 'stalled', for: 0 }] },
    });
    const work = 'queue:main/boss:work';
    const phases = async () => {
      const { line } = await check();
      return [
        ...['down', 'app_cache', 'maintenance'].map((rule) => line(rule, 'postgres:main')?.phase),
        line('stalled', work)?.phase,
      ];
    };
    await client.query('UPDATE boss.version SET maintained_on = now()');
    expect(await phases()).toEqual(['inactive', 'inactive', 'inactive', 'inactive']);
    await client.query(
      "INSERT INTO app_cache (key, expires_at) SELECT 'k' || i, now() - interval '1 hour' FROM generate_series(1, 3) i",
    );
    await client.query("UPDATE boss.version SET maintained_on = now() - interval '1 hour'");
    await client.query(
      "UPDATE boss.job SET started_on = now() - interval '1 day' WHERE state = 'active'",
    );
    expect(await phases()).toEqual(['inactive', 'firing', 'firing', 'firing']);
    const { line } = await check();
    expect(line('app_cache', 'postgres:main')?.summary).toMatch(
      /^3 rows of app_cache have expired, the oldest 1h 0m ago$/,
    );
    expect(line('maintenance', 'postgres:main')?.summary).toMatch(
      /looked after its jobs 1h 0m ago/,
    );
    postgres.kill('SIGKILL');
    clock.now += MINUTE;
    const dead = await check();
    expect(dead.line('down', 'postgres:main')).toMatchObject({ phase: 'firing' });
    expect(dead.line('app_cache', 'postgres:main')?.inhibited_by).toBe('postgres:main');
  });
});
