import { describe, expect, it } from 'vitest';
import { openChannel } from '../../src/redis/channel.js';
import { ReplyError } from '../../src/redis/resp.js';
import { redisForTest } from '../commands/pinging.js';
import { ALL, type Args, at, connected, scan, sendAll, strings } from './scanning.js';

const as = (port: number) => ({ ...at(port), username: 'reader', password: 'secret' });

/** A Redis whose user `reader` has only these rights, and the one who may do everything. */
async function restricted(rights: string, config: string[] = []) {
  const redis = await redisForTest({ users: [`reader on >secret ${rights}`], config });
  return { access: as(redis.port), channel: await connected(redis.port) };
}

const LEAST = '+scan +type +memory|usage +pttl +select +dbsize';

const MIXED: Args[] = [
  ['SET', 'string', 'x'.repeat(10_000)],
  ['RPUSH', 'list', 'a', 'b'],
  ['SADD', 'set', 'a', 'b'],
  ['ZADD', 'zset', 1, 'a'],
  ['HSET', 'hash', 'a', 'b'],
  ['XADD', 'stream', '*', 'a', 'b'],
];

describe('a scan by a user with few rights', () => {
  it('needs no more than SCAN, TYPE, MEMORY USAGE, PTTL, SELECT and DBSIZE', async () => {
    const { access, channel } = await restricted(`~* ${LEAST}`);
    await sendAll(channel, [...strings(10_000), ['SELECT', 3], ...strings(5, 'third:')]);
    const { end, facts, repeated } = await scan(access, { cursors: 4 });
    expect(facts.size).toBe(10_005);
    expect(repeated.size).toBe(0);
    expect(end.databases).toMatchObject([
      { db: 0, seen: 10_000, keys_before: 10_000 },
      { db: 3, seen: 5 },
    ]);
    expect(end).toMatchObject({ reason: 'done', estimated: false, cursors: 4 });
    expect(end.latency?.idle_ms).toBeGreaterThan(0);
    expect(end.missing).toEqual([
      { command: 'INFO', why: 'not permitted', instead: expect.stringContaining('resumed') },
    ]);
  });

  it('counts the keys that it may not read', async () => {
    const { access, channel } = await restricted(`~mine:* ${LEAST} +info`);
    await sendAll(channel, [...strings(300, 'mine:'), ...strings(700, 'theirs:')]);
    const { end, facts } = await scan(access);
    expect(facts.size).toBe(300);
    expect(end.databases).toMatchObject([
      { seen: 300, unreadable: 700, vanished: 0, short: false },
    ]);
    expect(end.missing).toEqual([]);
  });

  it('says what is missing, and what stands in its place', async () => {
    const { access, channel } = await restricted('~* +scan');
    await sendAll(channel, strings(5_000));
    const { end, facts } = await scan(access, { cursors: 8 });
    expect(facts.size).toBe(5_000);
    expect(facts.get('0/key:1')).toMatchObject({ type: '', bytes: 0, ttl_ms: null });
    expect(end).toMatchObject({ estimated: false, cursors: 1, latency: null });
    expect(end.databases).toMatchObject([{ keys_before: null, keys_after: null, complete: true }]);
    expect(end.missing.map(({ command, why }) => `${command} ${why}`)).toEqual([
      'MEMORY USAGE not permitted',
      'TYPE not permitted',
      'PTTL not permitted',
      'DBSIZE and PING not permitted',
      'INFO not permitted',
      'SELECT not permitted',
    ]);
  });

  it('is refused where SCAN is', async () => {
    const { access } = await restricted('~* +@all -scan');
    await expect(scan(access)).rejects.toThrow(ReplyError);
  });

  it('can still choose by type where TYPE is not permitted', async () => {
    const { access, channel } = await restricted('~* +@all -type');
    await sendAll(channel, [...MIXED, ...strings(50)]);
    const { facts } = await scan(access, { type: 'list' });
    expect([...facts.values()].map(({ key, type }) => [key, type])).toEqual([['list', 'list']]);
  });

  it('asks what it does not need to know of nobody', async () => {
    const { access, channel } = await restricted('~* +scan +info +dbsize +select');
    await sendAll(channel, strings(50));
    const { end, facts } = await scan(access, { ask: { type: false, size: 'none', ttl: false } });
    expect(facts.size).toBe(50);
    expect(end.missing).toEqual([]);
    const log = String(await channel.send('ACL', 'LOG'));
    expect(log).not.toMatch(/type|memory|pttl/);
  });
});

describe('a server without MEMORY USAGE', () => {
  it.each([
    ['renamed', '~* +@all', ['rename-command MEMORY ""'], 'unknown'],
    ['not permitted', '~* +@all -memory', [], 'not permitted'],
  ] as const)('has its sizes estimated by lengths: %s', async (_, rights, config, why) => {
    const { access, channel } = await restricted(rights, [...config]);
    await sendAll(channel, [...MIXED, ...strings(5_000)]);
    const { end, facts } = await scan(access, { cursors: 4 });
    expect(facts.size).toBe(5_000 + MIXED.length);
    expect(end.estimated).toBe(true);
    expect(end.missing).toEqual([
      { command: 'MEMORY USAGE', why, instead: 'estimated by STRLEN, HLEN, LLEN...' },
    ]);
    const bytes = (key: string) => facts.get(`0/${key}`)?.bytes ?? 0;
    expect(bytes('string')).toBeGreaterThan(10_000);
    expect(bytes('string')).toBeLessThan(10_200);
    for (const [, key] of MIXED) expect(bytes(String(key))).toBeGreaterThan(60);
    expect(bytes('list')).toBe(64 + 4 + 2 * 32);
  });

  it('says of which types even the length may not be asked', async () => {
    const { access, channel } = await restricted('~* +@all -memory -hlen');
    await sendAll(channel, MIXED);
    const { end, facts } = await scan(access, { ask: { ...ALL, type: false } });
    expect(facts.size).toBe(MIXED.length);
    expect(end.missing).toContainEqual({
      command: 'HLEN',
      why: 'not permitted',
      instead: 'the size of a hash is not known',
    });
  });
});

describe('a connection without the right to PING', () => {
  it('is opened only when that is asked for', async () => {
    const { access } = await restricted('~* +get');
    await expect(openChannel(access, { timeout: 5_000 })).rejects.toThrow(/NOPERM/);
    const channel = await openChannel(access, { timeout: 5_000, withoutPing: true });
    expect(await channel.send('GET', 'nothing')).toBeNull();
    channel.close();
    const wrong = { ...access, password: 'wrong' };
    await expect(openChannel(wrong, { timeout: 5_000, withoutPing: true })).rejects.toThrow(
      /WRONGPASS/,
    );
  });
});
