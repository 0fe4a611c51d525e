import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { failedJobs } from '../queues/failed.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { fill, fingerprint, keysOn } from './keys-estate.js';

const USERS = [
  'reader on >pw ~* +@connection +@read +info',
  'fenced on >pw ~mine:* +@connection +scan +type +pttl +unlink',
];

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ users: USERS });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());
const as = (user: string) => server.url.replace('redis://', `redis://${user}:pw@`);

const FOLDER = ['keys', 'bulk'];

it('removes the keys of a pattern and no other, and writes a line into the audit log', async () => {
  await fill(redis, 'tmp:', 3_000);
  await fill(redis, 'keep:', 50);
  const before = (await redis.keys('keep:*')).length;
  const estate = keysOn(server.url);
  const { code, items, result } = await estate.json('rm', 'tmp:*', '--yes');
  expect(code).toBe(0);
  expect(items).toHaveLength(3_000);
  expect(items[0]).toMatchObject({ key: expect.stringMatching(/^tmp:/), result: 'done' });
  expect(result).toMatchObject({
    type: 'summary',
    state: 'finished',
    total: 3_000,
    counts: { done: 3_000, gone: 0, raced: 0, refused: 0 },
    resume: null,
  });
  expect(await redis.dbsize()).toBe(before);
  expect(estate.audited()).toMatchObject([
    {
      action: 'keys rm',
      target: 'main',
      result: 'done',
      detail: { what: 'keys tmp:*', done: 3_000 },
    },
  ]);
  const [id = ''] = readdirSync(join(estate.state, ...FOLDER));
  expect(readdirSync(join(estate.state, ...FOLDER, id)).sort()).toEqual([
    'change.json',
    'journal.ndjson',
  ]);
});

it('removes keys whose names are bytes, lines, escapes, and a name as it is when it has no wildcard', async () => {
  const names = [
    Buffer.from([0x78, 0x3a, 0xff]),
    Buffer.from('x:two\nlines'),
    Buffer.from('x:\u001b[31m'),
    Buffer.from('x:😀\u2028'),
  ];
  for (const name of names) await redis.set(name, 'v');
  await redis.set('x', 'v');
  await redis.set('x*', 'v');
  const estate = keysOn(server.url);
  const odd = await estate.json('rm', 'x:*', '--yes');
  expect([odd.code, odd.result.counts.done]).toEqual([0, 4]);
  const star = await estate.json('rm', 'x\\*', '--yes');
  expect([star.result.total, await redis.keys('*')]).toEqual([1, ['x']]);
  const none = await estate.keys(['rm', 'nothing:*', '--yes']);
  expect([none.code, none.stderr.includes('No key to remove')]).toEqual([0, true]);
});

describe('a dry run', () => {
  it('says how many, how large, of which kinds, with examples, and changes nothing', async () => {
    for (let at = 0; at < 40; at += 1) await redis.set(`a:${at}:x`, 'y'.repeat(1_000));
    for (let at = 0; at < 2; at += 1) await redis.set(`a:name${at}`, 'y');
    const before = await fingerprint(redis);
    const estate = keysOn(server.url);
    const { code, result } = await estate.json('rm', 'a:*', '--dry-run');
    expect(code).toBe(0);
    expect(result).toMatchObject({ action: 'rm', keys: 42, queues: [], refused: null });
    expect(result.groups[0]).toMatchObject({ pattern: 'a:{id}:x', keys: 40, ttl_ms: null });
    expect(result.groups[0].bytes).toBe(40 * ((await redis.memory('USAGE', 'a:1:x')) ?? 0));
    expect(await fingerprint(redis)).toBe(before);
    expect(existsSync(join(estate.state, ...FOLDER))).toBe(false);
    expect(estate.audited()).toEqual([]);
  });

  it('holds a bounded number of groups whatever the names are', async () => {
    await fill(redis, 'wild:user-', 3_000);
    for (let at = 0; at < 300; at += 1) await redis.set(`w${'abcdefgh'[at % 8]}${at}x:y`, '1');
    const { result } = await keysOn(server.url).json('rm', 'w*', '--dry-run');
    expect(result.groups.length).toBeLessThanOrEqual(200);
    const keys = result.groups.reduce(
      (sum: number, group: { keys: number }) => sum + group.keys,
      0,
    );
    expect([keys, result.keys]).toEqual([3_300, 3_300]);
  });
});

it.each([
  [['rm'], 'which keys?'],
  [['rm', ''], 'which keys?'],
  [['rm', '*', '--yes'], 'which keys?'],
  [['rm', '**', '--yes'], 'which keys?'],
  [['rm', '?*', '--yes'], 'which keys?'],
  [['rm', 'a*', '--all', '--yes'], '--all does not go with a pattern'],
  [['rm', 'a*', '--rate', '0'], '--rate'],
  [['rm', 'a*', '--resume'], '--resume goes on with the keys that were chosen'],
  [['rm', '--resume'], 'nothing is open'],
  [['rm', '--resume', 'nope'], 'nope is not open'],
  [['audit', '--yes'], 'auditing changes nothing'],
])('%j is a usage error, and nothing is removed', async (argv, message) => {
  await fill(redis, 'a', 5);
  const { code, stderr } = await keysOn(server.url).keys(argv);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
  expect(await redis.dbsize()).toBe(5);
});

it('--all removes every key of the database', async () => {
  await fill(redis, 'a', 50);
  expect((await keysOn(server.url).keys(['rm', '--all', '--yes'])).code).toBe(0);
  expect(await redis.dbsize()).toBe(0);
});

describe('consent', () => {
  it('is needed, and in production it is the name of the Redis', async () => {
    await fill(redis, 'a', 5);
    const tries = async (environment: string, ...flags: string[]) =>
      (await keysOn(server.url, { environment }).keys(['rm', 'a*', ...flags])).code;
    expect(await tries('test')).toBe(6);
    expect(await tries('production', '--yes')).toBe(6);
    expect(await tries('production', '--confirm', 'mian')).toBe(6);
    expect(await redis.dbsize()).toBe(5);
    expect(await tries('production', '--confirm', 'main')).toBe(0);
    expect(await redis.dbsize()).toBe(0);
  });

  it('is asked for with the number of keys; a no leaves no trace', async () => {
    await fill(redis, 'a', 5);
    const estate = keysOn(server.url);
    const no = await estate.keys(['rm', 'a*'], { tty: true, stdin: 'n\n' });
    expect(no.stderr).toContain(
      'Remove 5 keys of main, keys a*, in test? They cannot be brought back.',
    );
    expect([no.code, readdirSync(join(estate.state, ...FOLDER))]).toEqual([6, []]);
    expect((await estate.keys(['rm', 'a*'], { tty: true, stdin: 'y\n' })).code).toBe(0);
    expect(await redis.dbsize()).toBe(0);
  });

  it('of several Redis one must be named', async () => {
    await fill(redis, 'a', 5);
    const two = { main: { url: server.url }, other: { url: `${server.url}/1` } };
    const estate = keysOn(server.url, { redis: two });
    const all = await estate.json('rm', 'a*', '--yes');
    expect([all.code, all.error.message]).toEqual([2, 'which Redis? There are main, other']);
    expect((await estate.json('rm', 'a*', '--yes', '--target', 'other')).result.total).toBe(0);
    expect((await estate.json('rm', 'a*', '--yes', '--target', 'main')).result.counts.done).toBe(5);
  });
});

describe('keys of BullMQ queues', () => {
  it('are refused, in a dry run too, and nothing at all is removed', async () => {
    const queue = await failedJobs(redis, 'mail', 20);
    await queue.close();
    await fill(redis, 'bully:', 5);
    const before = await fingerprint(redis);
    const estate = keysOn(server.url);
    const { code, error } = await estate.json('rm', 'bull*', '--yes');
    expect([code, error.code]).toEqual([6, 'refused']);
    expect(error.message).toMatch(/^2\d of these keys belong to BullMQ queues: bull:mail$/);
    const dry = await estate.json('rm', 'bull*', '--dry-run');
    expect(dry.result.queues).toMatchObject([{ queue: 'bull:mail' }]);
    expect(dry.result.refused).toBe(error.message);
    expect(await fingerprint(redis)).toBe(before);
    expect((await estate.json('rm', 'bully:*', '--yes')).result.counts.done).toBe(5);
  });

  it('are known by the configuration where the meta key is gone, and by --include-queues removed', async () => {
    const queue = await failedJobs(redis, 'mail', 5);
    await queue.close();
    await redis.del('bull:mail:meta');
    const queues = [{ engine: 'bullmq', redis: 'main', prefix: 'bull' }];
    const estate = keysOn(server.url, { queues });
    expect((await estate.json('rm', 'bull:mail:*', '--yes')).code).toBe(6);
    const forced = await estate.json('rm', 'bull:mail:*', '--yes', '--include-queues');
    expect([forced.code, await redis.dbsize()]).toEqual([0, 0]);
  });

  it('somebody else\'s key that ends in ":meta" is none', async () => {
    await redis.hset('file:1:meta', { size: 1 });
    await redis.set('file:1:body', 'x');
    expect((await keysOn(server.url).json('rm', 'file:*', '--yes')).result.counts.done).toBe(2);
  });
});

describe('a user with few rights', () => {
  it('who may not remove is told so before anything happens', async () => {
    await fill(redis, 'a', 5);
    const { code, error } = await keysOn(as('reader')).json('rm', 'a*', '--yes');
    expect([code, error.message]).toEqual([6, expect.stringContaining('may not run UNLINK')]);
    expect(await redis.dbsize()).toBe(5);
  });

  it('removes what the ACL lets it, and says of each other key that it is refused', async () => {
    await fill(redis, 'mine:', 3);
    await fill(redis, 'theirs:', 2);
    const estate = keysOn(as('fenced'));
    const { code, items, result } = await estate.json('rm', '*e*', '--yes');
    expect([code, result.counts]).toEqual([4, { done: 3, gone: 0, raced: 0, refused: 2 }]);
    const refused = items.filter((item) => item.result === 'refused').map(({ key }) => key);
    expect(refused.sort()).toEqual(['theirs:0', 'theirs:1']);
    const journal = readFileSync(result.journal, 'utf8');
    expect(journal).toContain('"key":"theirs:0","result":"refused"');
    expect(estate.audited()).toMatchObject([{ result: 'partly done' }]);
  });
});

it('uses DEL where the server has no UNLINK, and says that a replica takes no writes', async () => {
  const old = await startRedis({ config: ['rename-command UNLINK ""'] });
  const replica = await startRedis({ config: [`replicaof 127.0.0.1 ${old.port}`] });
  try {
    const client = new Redis(old.url);
    await fill(client, 'a', 10);
    const refused = await keysOn(replica.url).json('rm', 'b*', '--yes');
    expect([refused.code, refused.error.message]).toEqual([5, expect.stringContaining('READONLY')]);
    const { code, result } = await keysOn(old.url).json('rm', 'a*', '--yes');
    expect([code, result.counts.done, await client.dbsize()]).toEqual([0, 10, 0]);
    client.disconnect();
  } finally {
    await Promise.all([old.stop(), replica.stop()]);
  }
});
