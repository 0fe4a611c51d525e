import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

const plan = (site: ReturnType<typeof migrating>, from: string, ...flags: string[]) =>
  site.json(['plan', '--from', from, '--to', 'redis:main', ...flags]);

describe('entries that are broken', () => {
  it('are listed with place and reason, and the rest is migrated', async () => {
    const site = migrating(server.url);
    const good = tasks(990);
    const bad: [string, unknown][] = [
      ['no_user', { task: 't', status: 'x' }],
      ['no_user', { user: 'None', task: 't', status: 'x' }],
      ['bad_json', '{"user": "u", "task": '],
      ['too_large', JSON.stringify({ ...task(1), task: 'huge', data: 'x'.repeat(30_000_000) })],
      ['wrong_type', { user: 1.5, task: 't', status: 'x' }],
      ['wrong_type', '{"user": 12345678901234567890, "task": "t", "status": "x"}'],
      ['wrong_type', { user: 'u', task: 't', status: { at: 'x' } }],
      ['wrong_type', '["u", "t"]'],
      ['bad_id', { user: 'nul\u0000', task: 't', status: 'x' }],
      ['bad_id', { user: 'u', task: 'rocket\u{1f680}', status: 'x' }],
      ['bad_id', '{"user": "half\\ud83d", "task": "t", "status": "x"}'],
      ['bad_time', { user: 'u', task: 't', status: 'x', updatedAt: 'yesterday' }],
      ['no_status', { user: 'u', task: 't' }],
    ];
    // Each after every 80th good one, so that a broken one may cost its neighbours.
    const lines: unknown[] = [];
    for (const [index, entry] of good.entries()) {
      lines.push(entry);
      if (index % 80 === 0 && bad[index / 80])
        lines.push((bad[index / 80] as [string, unknown])[1]);
    }
    const { code, items, result } = await plan(site, site.file('tasks.ndjson', lines));
    expect([code, result.entries, result.bad]).toEqual([4, 990, bad.length]);
    expect(items.map(({ place, problem }) => [place, problem])).toEqual(
      bad.map(([problem], index) => [index * 81 + 2, problem]),
    );
    for (const { reason } of items) expect(reason.length).toBeGreaterThan(5);
    const applied = await site.json(['apply', result.id, '--yes']);
    expect([applied.code, applied.result.written, await redis.dbsize()]).toEqual([4, 990, 990]);
    expect((await site.json(['verify', result.id])).code).toBe(0);
    const status = await site.json(['status', result.id]);
    expect(status.result.bad_entries).toHaveLength(bad.length);
  });

  it('bytes that are no UTF-8 are refused, other scripts are not', async () => {
    const site = migrating(server.url);
    const lines = Buffer.concat([
      Buffer.from('{"user":"u","task":"a","status":"'),
      Buffer.of(0xff, 0xfe),
      Buffer.from('"}\n{"user":"张伟","task":"b","status":"läuft"}\n'),
    ]);
    writeFileSync(join(site.folder, 'tasks.ndjson'), lines);
    const { items, result } = await plan(site, 'tasks.ndjson');
    expect(items).toMatchObject([{ place: 1, problem: 'not_utf8' }]);
    await site.json(['apply', result.id, '--yes']);
    expect(await redis.keys('*')).toEqual(['app:test:task:import:张伟:b']);
  });

  it('ids that are whole numbers are taken, digit by digit', async () => {
    const site = migrating(server.url);
    const { items, result } = await plan(
      site,
      site.file('tasks.ndjson', [
        { user_id: 17, task_id: 9_007_199_254_740_991, status: 'x' },
        '{"user": 9007199254740993, "task": "t", "status": "x"}',
      ]),
    );
    expect(items).toMatchObject([{ place: 2, reason: expect.stringContaining('last digits') }]);
    await site.json(['apply', result.id, '--yes']);
    expect(await redis.keys('*')).toEqual(['app:test:task:import:17:9007199254740991']);
  });

  it('two users can never share a key', async () => {
    const site = migrating(server.url);
    const { items, result } = await plan(
      site,
      site.file('tasks.ndjson', [
        { user: 'a', task: 'b:c', status: 'x' },
        { user: 'a:b', task: 'c', status: 'x' },
        { user: 'a\n', task: 'c', status: 'x' },
        { user: 'a*', task: 'c', status: 'x' },
        { user: '{a}', task: 'c', status: 'x' },
      ]),
    );
    expect([result.entries, items.map(({ problem }) => problem)]).toEqual([
      0,
      Array(5).fill('bad_id'),
    ]);
  });

  it('of one user and task the newest entry counts, wherever it stands', async () => {
    const site = migrating(server.url);
    const { items, result } = await plan(
      site,
      site.file('tasks.ndjson', [
        task(1, { updatedAt: at(10), status: 'pending' }),
        task(2),
        task(1, { updatedAt: at(20), status: 'completed' }),
        task(1, { updatedAt: at(5), status: 'failed' }),
        task(2),
      ]),
    );
    expect(items).toMatchObject([
      { place: 1, problem: 'duplicate', reason: expect.stringContaining('line 3, which is newer') },
      { place: 4, problem: 'duplicate' },
      { place: 5, problem: 'duplicate', reason: expect.stringContaining('the same') },
    ]);
    await site.json(['apply', result.id, '--yes']);
    expect(JSON.parse((await redis.get(keyOf(task(1)))) ?? '').status).toBe('completed');
    expect((await site.json(['verify', result.id])).result.counts.equal).toBe(2);
  });
});

describe('dictionaries', () => {
  const value = (status: string) => ({ status, updated_at: '2024-06-07T10:00:00.123456' });

  it.each([
    ['by task', { t1: { ...value('a'), user_id: 'u1' }, t2: { ...value('b'), user_id: 'u2' } }],
    ['by user and task', { u1: { t1: value('a') }, u2: { t2: value('b') } }],
    ['by user:task', { 'u1:t1': value('a'), 'u2:t2': value('b') }],
    [
      'as a list',
      [
        { ...value('a'), user_id: 'u1', task_id: 't1' },
        { ...value('b'), user_id: 'u2', task_id: 't2' },
      ],
    ],
  ])('%s', async (_, dictionary) => {
    const site = migrating(server.url);
    // As json.dump(indent=2) writes it.
    writeFileSync(join(site.folder, 'tasks.json'), JSON.stringify(dictionary, null, 2));
    const id = await site.plan('tasks.json');
    await site.json(['apply', id, '--yes']);
    expect((await redis.keys('*')).sort()).toEqual([
      'app:test:task:import:u1:t1',
      'app:test:task:import:u2:t2',
    ]);
    const text = (await redis.get('app:test:task:import:u1:t1')) ?? '';
    expect([JSON.parse(text).status, text.includes('\n')]).toEqual(['a', false]);
    expect((await site.json(['verify', id])).code).toBe(0);
  });

  it('a key and an entry that name different users are refused', async () => {
    const site = migrating(server.url);
    writeFileSync(
      join(site.folder, 'tasks.json'),
      JSON.stringify({ u1: { t1: { ...value('a'), user_id: 'u2' }, t2: value('b') } }),
    );
    const { items, result } = await plan(site, 'tasks.json');
    expect([result.entries, items]).toMatchObject([1, [{ place: 1, problem: 'unsafe' }]]);
  });

  it('a broken member costs no other, and a document that ends in the middle is told', async () => {
    const site = migrating(server.url);
    writeFileSync(
      join(site.folder, 'tasks.json'),
      `{"t1": {"user": "u", "status": "a"}, "t2": {"user": }, "t3": {"user": "u", "status": "c"}, "t4": {"us`,
    );
    const { items, result } = await plan(site, 'tasks.json');
    expect([result.entries, items.map(({ place, problem }) => [place, problem])]).toEqual([
      2,
      [
        [2, 'bad_json'],
        [4, 'cut_off'],
      ],
    ]);
  });

  it('from stdin, with fields wherever the configuration says', async () => {
    const site = migrating(server.url, {
      migration: {
        tasks: { user: '/meta/owner', id: '/meta/~1id', value: '/body', updatedAt: '/changed' },
      },
    });
    const entry = {
      meta: { owner: 'u', '/id': 't' },
      body: { status: 'x', n: 1, changed: '2024-06-07T10:00:00Z' },
    };
    const { result } = await site.json(['plan', '--from', '-', '--to', 'redis:main'], {
      stdin: `${JSON.stringify(entry)}\n`,
    });
    await site.json(['apply', result.id, '--yes']);
    expect(await redis.get('app:test:task:import:u:t')).toBe(JSON.stringify(entry.body));
    const verified = await site.json(['verify', result.id]);
    expect([verified.code, verified.result.source]).toEqual([0, 'unread']);
  });
});

describe('sessions', () => {
  const messages = (count: number) =>
    Array.from({ length: count }, (_, number) => ({ role: 'user', content: `m${number} ] , "` }));

  it('have a key by chat, two hours, and the newest 40 messages', async () => {
    const site = migrating(server.url);
    const id = await site.plan(
      site.file('chats.ndjson', [
        { user: 'u', task: 'a', chat: 'generate', messages: messages(100), updatedAt: at(1) },
        { user: 'u', task: 'b', messages: messages(3) },
        { user: 'u', task: 'c', chat: 'search', messages: messages(40), ttl: 60 },
      ]),
      '--kind',
      'sessions',
      '--chat',
      'optimize',
    );
    const { code } = await site.json(['apply', id, '--yes']);
    expect(code).toBe(0);
    expect((await redis.keys('*')).sort()).toEqual([
      'app:test:chat:generate:u:a',
      'app:test:chat:optimize:u:b',
      'app:test:chat:search:u:c',
    ]);
    const kept = JSON.parse((await redis.get('app:test:chat:generate:u:a')) ?? '');
    expect([kept.messages, kept.updatedAt]).toEqual([messages(100).slice(60), at(1)]);
    const ttl = await redis.ttl('app:test:chat:generate:u:a');
    expect(Math.abs(ttl - 7_200)).toBeLessThan(60);
    expect(await redis.ttl('app:test:chat:search:u:c')).toBeLessThanOrEqual(60);
    expect((await site.json(['verify', id])).code).toBe(0);
  });

  it('without a chat, or whose messages are no list, are refused', async () => {
    const site = migrating(server.url);
    const { items } = await plan(
      site,
      site.file('chats.ndjson', [
        { user: 'u', task: 'a', messages: [] },
        { user: 'u', task: 'b', chat: 'other', messages: [] },
        { user: 'u', task: 'c', chat: 'search', messages: 'x' },
      ]),
      '--kind',
      'sessions',
    );
    expect(items.map(({ problem }) => problem)).toEqual(['no_chat', 'no_chat', 'wrong_type']);
  });
});
