import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { PlanReader } from '../../src/migration/plan/reader.js';
import { PlanWriter } from '../../src/migration/plan/writer.js';
import { DUMPED } from '../../src/migration/target/forms.js';
import { buildCli } from '../queues/built.js';
import { startCluster } from '../servers/cluster.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { migrating, type Site } from './estate.js';
import { applyWithKills } from './killing.js';

let servers: [RedisServer, RedisServer];
let old: Redis;
let redis: Redis;
beforeAll(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
  [old, redis] = servers.map(({ url }) => new Redis(url)) as [Redis, Redis];
});
afterAll(async () => {
  for (const client of [old, redis]) client.disconnect();
  await Promise.all(servers.map((server) => server.stop()));
});
beforeEach(async () => {
  await Promise.all([old.flushall(), redis.flushall()]);
});

function site(): Site {
  const [{ url: from }, { url }] = servers;
  return migrating(url, { redis: { main: { url }, old: { url: from } } });
}

const FLAGS = ['--kind', 'keys', '--from-prefix', 'was:'];
const fields = (count: number) =>
  Array.from({ length: count }, (_, number) => [`field-${number}`, `value-${number}`]).flat();

/** Keys of every type, small and large: in both of the encodings that a type has. */
async function fill(): Promise<void> {
  await old.set('was:text', 'as it is', 'EX', 500);
  await old.set('was:number', '12345');
  await old.hset('was:hash', { a: '1', b: 'x'.repeat(50), 'c\n': 'ä' });
  await old.hset('was:hash:large', ...fields(2_000));
  await old.sadd('was:set', 'a', 'b', '17');
  await old.sadd('was:set:numbers', '1', '70000', '-5', '9007199254740993');
  await old.sadd('was:set:large', ...fields(2_000));
  await old.zadd('was:zset', 1, 'a', 1.5, 'b', '-inf', 'c', '+inf', 'd');
  await old.zadd(
    'was:zset:large',
    ...fields(1_000).map((text, at) => (at % 2 ? text : `${at / 3}`)),
  );
  await old.rpush('was:list', 'a', '-1', '300', '40000', '-9000000', '5000000000', 'y'.repeat(200));
  await old.rpush('was:list:large', ...fields(3_000), 'z'.repeat(20_000));
  await old.xadd('was:stream', '*', 'a', '1');
  await old.xgroup('CREATE', 'was:stream', 'group', '0');
  await old.pexpire('was:hash', 7_000_000);
  await old.set('other:text', 'stays here');
}
const COUNT = 12;

/** Makes one dump of a plan what a later version of Redis would have written. */
async function spoil(folder: string, spoilt: string): Promise<void> {
  const reader = new PlanReader(folder);
  const chunk = reader.read(0);
  if (!chunk) throw new Error('the plan is empty');
  const entries = Array.from({ length: chunk.count }, (_, index) => ({
    key: chunk.key(index),
    value: Buffer.from(chunk.value(index)),
    moment: chunk.moment(index),
    expires: chunk.expires(index),
    place: chunk.place(index),
  }));
  reader.close();
  for (const name of ['commands.resp', 'entries.bin']) rmSync(join(folder, name));
  const writer = new PlanWriter(folder, DUMPED);
  for (const entry of entries) {
    if (entry.key === spoilt) entry.value.writeUInt16LE(9_999, entry.value.length - 10);
    writer.add(entry);
  }
  await writer.flush()?.stored;
  await writer.close();
}

async function planned(one: Site): Promise<string> {
  return one.plan('redis:old', ...FLAGS);
}

describe('keys of another Redis, whatever their type', () => {
  it('are moved under the prefix of the target, with what they have left to live, and verified', async () => {
    await fill();
    const one = site();
    const id = await planned(one);
    expect(await redis.dbsize()).toBe(0);
    const { code, result } = await one.json(['apply', id, '--yes']);
    expect([code, result.written, result.counts.created]).toEqual([0, COUNT, COUNT]);
    expect(await redis.hgetall('app:test:hash:large')).toEqual(await old.hgetall('was:hash:large'));
    expect(await redis.lrange('app:test:list:large', 0, -1)).toEqual(
      await old.lrange('was:list:large', 0, -1),
    );
    expect(await redis.zrange('app:test:zset', '0', '-1', 'WITHSCORES')).toEqual(
      await old.zrange('was:zset', '0', '-1', 'WITHSCORES'),
    );
    expect(await redis.xinfo('GROUPS', 'app:test:stream')).toHaveLength(1);
    expect(await redis.exists('other:text', 'app:test:other:text')).toBe(0);
    const [pttl, was] = [await redis.pttl('app:test:hash'), await old.pttl('was:hash')];
    expect(Math.abs(pttl - was)).toBeLessThan(2_000);
    expect(await redis.pttl('app:test:number')).toBe(-1);
    const verified = await one.json(['verify', id]);
    expect([verified.code, verified.result.counts.equal]).toEqual([0, COUNT]);
    // The members of a hash table lie in another order in every server.
    expect(
      (await redis.dumpBuffer('app:test:set:large')).equals(await old.dumpBuffer('was:set:large')),
    ).toBe(false);
    const again = await one.json(['apply', id, '--yes']);
    expect([again.result.written, again.result.counts.created]).toEqual([0, COUNT]);
    const other = await one.json(['apply', await planned(one), '--yes']);
    expect([other.result.written, other.result.counts.equal]).toEqual([0, COUNT]);
  });

  it('what differs is told by verify, and its expiry too', async () => {
    await fill();
    const one = site();
    const id = await planned(one);
    await one.json(['apply', id, '--yes']);
    await redis.hset('app:test:hash:large', 'field-7', 'changed');
    await redis.persist('app:test:text');
    await redis.del('app:test:list');
    await redis.del('app:test:set');
    await redis.rpush('app:test:set', 'a');
    const { code, items } = await one.json(['verify', id]);
    expect(code).toBe(3);
    expect(Object.fromEntries(items.map(({ key, verdict }) => [key, verdict]))).toEqual({
      'app:test:hash:large': 'differs',
      'app:test:text': 'ttl_off',
      'app:test:list': 'missing',
      'app:test:set': 'differs',
    });
    expect(items.find(({ key }) => key === 'app:test:set').detail).toContain('type: set > list');
  });

  it('another content under the name is left and listed; overwrite replaces it, and a rollback brings it back', async () => {
    await fill();
    await redis.sadd('app:test:hash:large', ...fields(600));
    await redis.expire('app:test:hash:large', 900);
    // The same content in another encoding is no conflict.
    await redis.config('SET', 'hash-max-listpack-entries', '1');
    await redis.hset('app:test:hash', { 'c\n': 'ä', b: 'x'.repeat(50), a: '1' });
    await redis.config('SET', 'hash-max-listpack-entries', '128');
    const one = site();
    const id = await planned(one);
    const first = await one.json(['apply', id, '--yes']);
    expect([first.code, first.result.counts]).toMatchObject([
      4,
      { created: COUNT - 2, unknown: 1, equal: 1 },
    ]);
    expect(first.items).toMatchObject([{ key: 'app:test:hash:large', outcome: 'unknown' }]);
    const second = await one.json(['apply', id, '--yes', '--on-conflict', 'overwrite']);
    expect([second.code, second.result.counts.replaced]).toEqual([0, 1]);
    expect(await redis.hlen('app:test:hash:large')).toBe(2_000);
    await redis.lpush('app:test:list', 'by the application');
    const back = await one.json(['rollback', id, '--yes']);
    expect([back.code, back.result.counts]).toEqual([
      4,
      { changed: 1, removed: COUNT - 3, restored: 1, gone: 0, hidden: 0 },
    ]);
    expect(await redis.scard('app:test:hash:large')).toBe(1_200);
    expect(await redis.ttl('app:test:hash:large')).toBeGreaterThan(100);
    expect((await redis.keys('*')).sort()).toEqual([
      'app:test:hash',
      'app:test:hash:large',
      'app:test:list',
    ]);
  });

  it('a kill -9 at any moment: --resume ends with exactly the plan, and a rollback takes back all of it', async () => {
    const cli = await buildCli();
    try {
      const pipeline = old.pipeline();
      for (let number = 0; number < 3_000; number += 1)
        pipeline.hset(`was:h:${number}`, { number, text: `t${number}` });
      await pipeline.exec();
      const one = site();
      const id = await planned(one);
      const flags = ['--rate', '3000'];
      await applyWithKills(one, cli.bin, id, { kills: 4, longest: 900, flags });
      const { code, result } = await one.json(['verify', id]);
      expect([code, result.counts.equal, await redis.dbsize()]).toEqual([0, 3_000, 3_000]);
      const back = await one.json(['rollback', id, '--yes']);
      expect([back.result.counts.removed, await redis.dbsize()]).toEqual([3_000, 0]);
    } finally {
      cli.remove();
    }
  });

  it('a dump that the target cannot read is told, and costs no other', async () => {
    await fill();
    const one = site();
    const id = await planned(one);
    await spoil(join(one.state, 'migrate', id), 'app:test:hash');
    const { code, items, result } = await one.json(['apply', id, '--yes']);
    expect([code, result.counts]).toMatchObject([4, { created: COUNT - 1, unreadable: 1 }]);
    expect(items).toMatchObject([
      { key: 'app:test:hash', detail: expect.stringContaining('version') },
    ]);
    expect(await redis.exists('app:test:hash')).toBe(0);
  });

  it('needs the right to DUMP, and a Redis', async () => {
    await fill();
    await old.call('ACL', 'SETUSER', 'reader', 'on', '>pw', '~*', '+@all', '-dump');
    const [{ url: from }, { url }] = servers;
    const one = migrating(url, {
      redis: { main: { url }, old: { url: from.replace('redis://', 'redis://reader:pw@') } },
    });
    const refused = await one.json(['plan', '--from', 'redis:old', '--to', 'redis:main', ...FLAGS]);
    expect([refused.code, refused.error.message]).toEqual([6, 'the user of old may not run DUMP']);
    const file = one.file('tasks.ndjson', []);
    const none = await one.json(['plan', '--from', file, '--to', 'redis:main', ...FLAGS]);
    expect([none.code, none.error.hint]).toEqual([2, expect.stringContaining('redis:NAME')]);
  });

  it('from one node to a cluster, and back', async () => {
    await fill();
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    const [{ url: from }] = servers;
    const endpoints = cluster.masters.map(({ port }) => `127.0.0.1:${port}`);
    const client = new Cluster(cluster.masters.map(({ port }) => ({ port, host: '127.0.0.1' })));
    onTestFinished(() => client.disconnect());
    const one = migrating(from, {
      redis: { main: { cluster: endpoints }, old: { url: from } },
    });
    const id = await planned(one);
    const { code, result } = await one.json(['apply', id, '--yes']);
    expect([code, result.counts.created]).toEqual([0, COUNT]);
    expect(await client.hlen('app:test:hash:large')).toBe(2_000);
    expect((await one.json(['verify', id])).code).toBe(0);
    await old.flushall();
    const flags = ['--kind', 'keys', '--from-prefix', 'app:test:'];
    const argv = ['plan', '--from', 'redis:main', '--to', 'redis:old', ...flags];
    const back = await one.json(argv);
    await one.json(['apply', back.result.id, '--yes']);
    expect(await old.dbsize()).toBe(COUNT);
    expect((await one.json(['verify', back.result.id])).code).toBe(0);
    expect((await one.json(['rollback', id, '--yes'])).result.counts.removed).toBe(COUNT);
  });
});
