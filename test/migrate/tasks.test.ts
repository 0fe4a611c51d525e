import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { at, keyOf, migrating, task, tasks } from './estate.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());

const HOUR = 3_600_000;

describe('from a file to Redis', () => {
  it('every entry is written as it was, with a TTL, and verified', async () => {
    const site = migrating(server.url);
    const entries = tasks(5_000);
    const id = await site.plan(site.file('tasks.ndjson', entries));
    expect(await redis.dbsize()).toBe(0);
    const { code, result } = await site.json(['apply', id, '--yes']);
    expect([code, result.state, result.written, result.counts.created]).toEqual([
      0,
      'applied',
      5_000,
      5_000,
    ]);
    const [first] = entries as [ReturnType<typeof task>];
    expect(await redis.get(keyOf(first))).toBe(JSON.stringify(first));
    const ttl = await redis.pttl(keyOf(first));
    expect(Math.abs(ttl - 24 * HOUR)).toBeLessThan(60_000);
    const verified = await site.json(['verify', id]);
    expect([verified.code, verified.result.counts.equal, verified.result.source]).toEqual([
      0,
      5_000,
      'unchanged',
    ]);
    expect(site.audited()).toMatchObject([{ action: 'migrate apply', result: 'done' }]);
  });

  it('numbers and spaces stay as they were written', async () => {
    const site = migrating(server.url);
    const line =
      '{"user": "u", "task": "t", "status": "x", "big": 12345678901234567890, "one": 1.0}';
    const id = await site.plan(site.file('tasks.ndjson', [line]));
    await site.json(['apply', id, '--yes']);
    expect(await redis.get('app:test:task:import:u:t')).toBe(line);
  });

  it('a second apply writes nothing', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(3_000)));
    await site.json(['apply', id, '--yes']);
    await redis.config('RESETSTAT');
    const { code, result } = await site.json(['apply', id, '--yes']);
    expect([code, result.written, result.counts.created]).toEqual([0, 0, 3_000]);
    const again = await site.plan('tasks.ndjson');
    const other = await site.json(['apply', again, '--yes']);
    expect([other.result.written, other.result.counts.equal]).toEqual([0, 3_000]);
  });

  it('the remaining time of an entry is carried over, and no more than the kind may live', async () => {
    const site = migrating(server.url);
    const soon = new Date(Date.now() + HOUR).toISOString();
    const far = new Date(Date.now() + 900 * HOUR).toISOString();
    const past = new Date(Date.now() - HOUR).toISOString();
    const id = await site.plan(
      site.file('tasks.ndjson', [
        task(1, { expiresAt: soon }),
        task(2, { ttl: 600 }),
        task(3, { expires_at: far }),
        task(4, { expiresAt: past }),
      ]),
    );
    const { result } = await site.json(['apply', id, '--yes']);
    expect(result.counts.created).toBe(3);
    const ttls = await Promise.all([1, 2, 3].map((number) => redis.pttl(keyOf(task(number)))));
    for (const [index, due] of [HOUR, 600_000, 48 * HOUR].entries())
      expect(Math.abs((ttls[index] as number) - due)).toBeLessThan(20_000);
  });

  it('says what is there already and differs, before anything is written', async () => {
    const site = migrating(server.url);
    await redis.set(keyOf(task(1)), JSON.stringify(task(1)), 'EX', 100);
    await redis.set(keyOf(task(2)), '{"status":"completed"}', 'EX', 100);
    await redis.rpush(keyOf(task(3)), 'x');
    const { result } = await site.json([
      'plan',
      '--from',
      site.file('tasks.ndjson', tasks(10)),
      '--to',
      'redis:main',
    ]);
    expect(result).toMatchObject({ entries: 10, absent: 7, equal: 1, differs: 1, other_type: 1 });
    expect(result.bytes.memory).toBeGreaterThan(result.bytes.values / 2);
  });
});

describe('where a key has another value', () => {
  const older = { ...task(1), status: 'pending', updatedAt: at(0) };
  const newer = { ...task(1), status: 'completed', updatedAt: at(30) };
  const mine = { ...task(1), updatedAt: at(10) };

  async function applied(there: object | string, ...flags: string[]) {
    const site = migrating(server.url);
    const text = typeof there === 'string' ? there : JSON.stringify(there);
    await redis.set(keyOf(mine), text, 'EX', 100);
    const id = await site.plan(site.file('tasks.ndjson', [mine, task(2)]));
    const { code, result, error } = await site.json(['apply', id, '--yes', ...flags]);
    return { site, id, code, result, error, value: await redis.get(keyOf(mine)), text };
  }

  it('an older one is overwritten, and a rollback brings it back with its own expiry', async () => {
    const { site, id, code, result, value, text } = await applied(older);
    expect([code, result.counts.replaced, value]).toEqual([0, 1, JSON.stringify(mine)]);
    const { code: end, result: back } = await site.json(['rollback', id, '--yes']);
    expect([end, back.counts.restored, back.counts.removed]).toEqual([0, 1, 1]);
    expect(await redis.get(keyOf(mine))).toBe(text);
    expect(await redis.ttl(keyOf(mine))).toBeLessThanOrEqual(100);
    expect(await redis.dbsize()).toBe(1);
  });

  it('a newer one stays', async () => {
    const { code, result, value, text } = await applied(newer);
    expect([code, result.counts.newer, value]).toEqual([0, 1, text]);
  });

  it('times are compared as times, however they are written', async () => {
    const written = { ...newer, updatedAt: '2024-06-07 12:09:59.999999+02:00' };
    expect((await applied(written)).result.counts.replaced).toBe(1);
    await redis.flushall();
    const later = { ...newer, updatedAt: Date.UTC(2024, 5, 7, 10, 11) / 1_000 };
    expect((await applied(later)).result.counts.newer).toBe(1);
  });

  it('one without a time stays, is listed, and ends with 4', async () => {
    const { code, result, value, text } = await applied('{"status":"x"}');
    expect([code, result.counts.unknown, value]).toEqual([4, 1, text]);
  });

  it('--on-conflict skip leaves it, overwrite replaces it, fail stops', async () => {
    expect((await applied(older, '--on-conflict', 'skip')).result.counts.skipped).toBe(1);
    const over = await applied(newer, '--on-conflict', 'overwrite');
    expect([over.result.counts.replaced, over.value]).toEqual([1, JSON.stringify(mine)]);
    await redis.flushall();
    const failed = await applied(newer, '--on-conflict', 'fail');
    expect([failed.code, failed.value]).toEqual([6, failed.text]);
    expect(failed.error.message).toContain(keyOf(mine));
  });

  it('a key of another type is left and told', async () => {
    const site = migrating(server.url);
    await redis.rpush(keyOf(mine), 'x');
    const id = await site.plan(site.file('tasks.ndjson', [mine]));
    const { code, result } = await site.json(['apply', id, '--yes', '--on-conflict', 'overwrite']);
    expect([code, result.counts.other_type, await redis.type(keyOf(mine))]).toEqual([4, 1, 'list']);
  });
});

describe('rollback', () => {
  it('takes back what nobody changed since, and lists the rest', async () => {
    const site = migrating(server.url);
    await redis.set('other', 'stays');
    const id = await site.plan(site.file('tasks.ndjson', tasks(2_500)));
    await site.json(['apply', id, '--yes']);
    await redis.set(keyOf(task(1)), JSON.stringify(task(1, { status: 'completed' })), 'EX', 100);
    await redis.set(keyOf(task(2)), JSON.stringify(task(2)), 'EX', 86_400);
    await redis.del(keyOf(task(3)));
    const { code, result, items } = await site.json(['rollback', id, '--yes']);
    expect([code, result.counts]).toEqual([
      4,
      { changed: 2, removed: 2_497, restored: 0, gone: 1, hidden: 0 },
    ]);
    expect(items.map(({ key }) => key).sort()).toEqual([keyOf(task(1)), keyOf(task(2))]);
    expect((await redis.keys('*')).sort()).toEqual([keyOf(task(1)), keyOf(task(2)), 'other']);
    const again = await site.json(['rollback', id, '--yes']);
    expect(again.code).toBe(2);
  });

  it('leaves what was equal before', async () => {
    const site = migrating(server.url);
    await redis.set(keyOf(task(1)), JSON.stringify(task(1)), 'EX', 100);
    const id = await site.plan(site.file('tasks.ndjson', tasks(3)));
    await site.json(['apply', id, '--yes']);
    await site.json(['rollback', id, '--yes']);
    expect(await redis.keys('*')).toEqual([keyOf(task(1))]);
  });

  it('a plan that was rolled back can be applied again', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(10)));
    await site.json(['apply', id, '--yes']);
    await site.json(['rollback', id, '--yes']);
    expect(await redis.dbsize()).toBe(0);
    const { code, result } = await site.json(['apply', id, '--yes']);
    expect([code, result.written]).toEqual([0, 10]);
  });
});

describe('verify', () => {
  it('tells missing, differing, newer and wrongly expiring keys apart', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(2_500)));
    await site.json(['apply', id, '--yes']);
    await redis.del(keyOf(task(1)));
    await redis.persist(keyOf(task(2)));
    await redis.pexpire(keyOf(task(3)), 20 * HOUR);
    await redis.set(keyOf(task(4)), JSON.stringify(task(4, { status: 'failed' })), 'KEEPTTL');
    const later = task(5, { status: 'completed', updatedAt: '2030-01-01T00:00:00Z' });
    await redis.set(keyOf(task(5)), JSON.stringify(later), 'KEEPTTL');
    const { code, result, items } = await site.json(['verify', id]);
    expect(code).toBe(3);
    expect(result.counts).toMatchObject({
      equal: 2_495,
      missing: 1,
      ttl_off: 2,
      differs: 1,
      newer: 1,
    });
    const said = Object.fromEntries(
      items.map(({ key, verdict, detail }) => [key, [verdict, detail]]),
    );
    expect(said[keyOf(task(4))]).toEqual(['differs', 'status: "processing" > "failed"']);
    expect(said[keyOf(task(2))]).toEqual(['ttl_off', 'it never expires']);
    expect(said[keyOf(task(3))]?.[1]).toContain('sooner than planned');
  });

  it('reads the source again: what appeared, what changed, what is gone on both sides', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(10)));
    await site.json(['apply', id, '--yes']);
    const changed = task(1, { status: 'completed', updatedAt: '2030-01-01T00:00:00Z' });
    site.file('tasks.ndjson', [changed, ...tasks(10).slice(3), task(20), task(21)]);
    await redis.set(keyOf(changed), JSON.stringify(changed), 'EX', 86_400);
    await redis.set(keyOf(task(20)), JSON.stringify(task(20)), 'EX', 86_400);
    await redis.del(keyOf(task(2)));
    const { code, result, items } = await site.json(['verify', id]);
    expect(result).toMatchObject({ source: 'changed', appeared: 2 });
    expect([code, result.counts.missing, result.counts.gone]).toEqual([3, 1, 1]);
    expect(items.filter(({ appeared }) => appeared)).toMatchObject([
      { key: keyOf(task(21)), verdict: 'missing' },
    ]);
    await redis.set(keyOf(task(21)), JSON.stringify(task(21)), 'EX', 86_400);
    expect((await site.json(['verify', id])).code).toBe(0);
  });

  it('counts an entry once where the source has changed: by its value, else by its expiry', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(10)));
    await site.json(['apply', id, '--yes']);
    for (const number of [3, 4]) await redis.pexpire(keyOf(task(number)), 20 * HOUR);
    const changed = task(4, { status: 'completed', updatedAt: '2030-01-01T00:00:00Z' });
    site.file('tasks.ndjson', [...tasks(10).filter((_, at) => at !== 4), changed, task(20)]);
    const { code, result, items } = await site.json(['verify', id]);
    expect([code, result.source]).toEqual([3, 'changed']);
    const counted = Object.entries(result.counts).filter(([, number]) => number !== 0);
    expect(Object.fromEntries(counted)).toEqual({ equal: 8, ttl_off: 1, differs: 1, missing: 1 });
    const said = items.map(({ key, verdict }) => [key, verdict]);
    expect(Object.fromEntries(said)).toEqual({
      [keyOf(task(3))]: 'ttl_off',
      [keyOf(task(4))]: 'differs',
      [keyOf(task(20))]: 'missing',
    });
    expect(said).toHaveLength(3);
  });

  it('--watch ends when both sides have agreed for so long', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(10)));
    const watching = site.json(['verify', id, '--watch', '300ms', '--every', '20ms']);
    await site.json(['apply', id, '--yes']);
    const { code, result } = await watching;
    expect([code, result.counts.equal]).toEqual([0, 10]);
  });
});

describe('guards', () => {
  it('a target that would be more than 80 % full is refused without --allow-memory', async () => {
    const small = await startRedis({ config: ['maxmemory 3mb'] });
    try {
      const site = migrating(small.url);
      const id = await site.plan(site.file('tasks.ndjson', tasks(8_000)));
      const { code, error } = await site.json(['apply', id, '--yes']);
      expect([code, error.message]).toEqual([6, expect.stringContaining('80 %')]);
      const all = await site.json(['apply', id, '--yes', '--allow-memory', '--dry-run']);
      expect([all.code, all.result.dry_run]).toEqual([0, true]);
    } finally {
      await small.stop();
    }
  });

  it('asks: without a yes nothing is written, and in production the name is needed', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(3)));
    expect((await site.json(['apply', id])).code).toBe(6);
    const production = migrating(server.url, { environment: 'production' });
    const other = await production.plan(production.file('tasks.ndjson', tasks(3)));
    expect((await production.json(['apply', other, '--yes'])).code).toBe(6);
    expect(await redis.dbsize()).toBe(0);
    expect((await production.json(['apply', other, '--confirm', 'main'])).code).toBe(0);
  });

  it('a plan whose file was changed is not applied', async () => {
    const { openSync, writeSync, closeSync } = await import('node:fs');
    const { join } = await import('node:path');
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(3)));
    const file = openSync(join(site.state, 'migrate', id, 'commands.resp'), 'r+');
    writeSync(file, 'X', 80);
    closeSync(file);
    const { code, error } = await site.json(['apply', id, '--yes']);
    expect([code, error.message]).toEqual([1, expect.stringContaining('checksum')]);
    expect(await redis.dbsize()).toBe(0);
  });

  it('--rate holds it back', async () => {
    const site = migrating(server.url);
    const id = await site.plan(site.file('tasks.ndjson', tasks(30)));
    const began = performance.now();
    await site.json(['apply', id, '--yes', '--rate', '20']);
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(await redis.dbsize()).toBe(30);
  });
});
