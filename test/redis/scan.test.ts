import { describe, expect, it } from 'vitest';
import { openChannel } from '../../src/redis/channel.js';
import { describeKeys } from '../../src/redis/scan/describe.js';
import { redisForTest } from '../commands/pinging.js';
import { makeCertificates } from '../servers/tls.js';
import { ALL, type Args, at, connected, names, scan, sendAll, strings } from './scanning.js';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** A key of every type in every encoding that Redis 7.0 has. */
const MIXED: Args[] = [
  ['SET', 'string:int', 12_345],
  ['SET', 'string:embstr', 'short'],
  ['SET', 'string:raw', 'x'.repeat(5_000)],
  ['SETEX', 'string:expires', 1_000, 'x'],
  ['RPUSH', 'list:listpack', ...numbers(10)],
  ['RPUSH', 'list:quicklist', ...numbers(3_000).map((n) => `${'y'.repeat(20)}${n}`)],
  ['SADD', 'set:intset', ...numbers(20)],
  ['SADD', 'set:hashtable', ...numbers(3_000).map((n) => `member-${n}`)],
  ['ZADD', 'zset:listpack', ...numbers(10).flatMap((n) => [n, `m${n}`])],
  ['ZADD', 'zset:skiplist', ...numbers(3_000).flatMap((n) => [n, `m${n}`])],
  ['HSET', 'hash:listpack', ...numbers(10).flatMap((n) => [`f${n}`, n])],
  ['HSET', 'hash:hashtable', ...numbers(5_000).flatMap((n) => [`f${n}`, 'v'.repeat(n % 90)])],
  ['XADD', 'stream:one', '*', 'field', 'value'],
  ['PFADD', 'string:hyperloglog', ...numbers(100)],
];

describe('a scan of one server', () => {
  it('finds of every key what TYPE, MEMORY USAGE and PTTL say', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    await sendAll(channel, [...MIXED, ...strings(3_000)]);
    for (const [size, samples] of [
      ['samples', 2_000],
      ['exact', 0],
    ] as const) {
      const found = await scan(redis.port, { ask: { ...ALL, size } });
      expect(found.end).toMatchObject({ reason: 'done', detail: '', position: null, missing: [] });
      expect(found.repeated.size).toBe(0);
      expect(found.facts.size).toBe(3_000 + MIXED.length);
      const facts = [...found.facts.values()];
      const replies = await channel.pipeline(
        facts.flatMap(({ key }) => [
          ['TYPE', key],
          ['MEMORY', 'USAGE', key, 'SAMPLES', samples],
          ['PTTL', key],
        ]),
      );
      facts.forEach(({ key, type, bytes, ttl_ms }, index) => {
        const [realType, usage, ttl] = replies.slice(3 * index);
        expect({ key, type, bytes }).toEqual({ key, type: realType, bytes: usage });
        if (ttl === -1) expect(ttl_ms).toBeNull();
        else expect(ttl_ms as number).toBeGreaterThanOrEqual(ttl as number);
      });
    }
  });

  it.each([1, 2, 4, 16, 64])('counts as many keys as DBSIZE with %i cursors', async (cursors) => {
    const redis = await redisForTest();
    await sendAll(await connected(redis.port), strings(60_001));
    const { end, facts, repeated } = await scan(redis.port, { cursors });
    expect(facts.size).toBe(60_001);
    expect(repeated.size).toBe(0);
    expect(end.cursors).toBe(cursors);
    expect(end.databases).toEqual([
      {
        db: 0,
        done: 1,
        ...{ keys_before: 60_001, keys_after: 60_001, complete: true, short: false },
        ...{ seen: 60_001, vanished: 0, unreadable: 0, moved: 0, may_repeat: false },
      },
    ]);
  });

  it('asks only what is wanted, and keys alone without a look-up', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    await sendAll(channel, strings(5_000));
    await channel.send('CONFIG', 'RESETSTAT');
    const { end, facts } = await scan(redis.port, {
      cursors: 4,
      ask: { type: false, size: 'none', ttl: false },
    });
    expect(facts.size).toBe(5_000);
    expect(facts.get('0/key:1')).toMatchObject({ type: '', bytes: 0, ttl_ms: null });
    expect(end.lookups).toEqual({ hits: 0, misses: 0 });
    expect(await channel.send('INFO', 'stats')).toMatch(/keyspace_hits:0\r\nkeyspace_misses:0\r\n/);
  });

  it('tells the look-ups that it adds to the statistics of the server', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    await sendAll(channel, strings(3_000));
    await channel.send('CONFIG', 'RESETSTAT');
    const { end } = await scan(redis.port);
    expect(end.lookups).toEqual({ hits: 6_000, misses: 2 });
    expect(await channel.send('INFO', 'stats')).toMatch(
      /keyspace_hits:6000\r\nkeyspace_misses:2\r\n/,
    );
  });

  it('leaves the idle times of keys as they are', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    await sendAll(channel, MIXED);
    const idle = () => channel.pipeline(MIXED.map(([, key = '']) => ['OBJECT', 'IDLETIME', key]));
    await expect
      .poll(async () => Math.min(...((await idle()) as number[])), { timeout: 5_000 })
      .toBe(1);
    await scan(redis.port);
    expect(Math.min(...((await idle()) as number[]))).toBeGreaterThan(0);
  });

  it('goes through all databases that hold keys, or through those that are named', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    for (const db of numbers(16))
      await sendAll(channel, [['SELECT', db], ...strings(db === 5 ? 0 : 100 + db, `db${db}:`)]);
    const all = await scan(redis.port);
    expect(all.end.databases.map(({ db, seen }) => [db, seen])).toEqual(
      numbers(16)
        .filter((db) => db !== 5)
        .map((db) => [db, 100 + db]),
    );
    expect([...all.facts.values()].every(({ db, key }) => key.startsWith(`db${db}:`))).toBe(true);
    const some = await scan(redis.port, { databases: [3, 5] });
    expect(some.end.databases.map(({ db, seen }) => [db, seen])).toEqual([
      [3, 103],
      [5, 0],
    ]);
  });

  it('finds as many as there are where the last calls of SCAN show nothing', async () => {
    const redis = await redisForTest({ config: ['databases 64'] });
    const channel = await connected(redis.port);
    for (const db of numbers(64))
      await sendAll(channel, [['SELECT', db], ...strings(100 + (db % 4), `db${db}:`)]);
    const { end } = await scan(redis.port);
    expect(end.databases.map(({ seen }) => seen)).toEqual(numbers(64).map((db) => 100 + (db % 4)));
    await sendAll(channel, [['SELECT', 0], ...strings(30_000)]);
    for (const cursors of [1, 16]) {
      const few = await scan(redis.port, { databases: [0], match: 'key:*99', cursors });
      expect(few.facts.size).toBe(300);
      expect(few.repeated.size).toBe(0);
    }
  });

  it('chooses by pattern and by type', async () => {
    const redis = await redisForTest();
    await sendAll(await connected(redis.port), [...MIXED, ...strings(6_000)]);
    const options = { match: '*:[hk]*', type: 'hash', cursors: 4 };
    expect(names(await scan(redis.port, options))).toEqual(['0/hash:hashtable']);
    const sets = await scan(redis.port, { type: 'set', cursors: 4 });
    expect(names(sets)).toEqual(['0/set:hashtable', '0/set:intset']);
    expect(sets.facts.get('0/set:intset')).toMatchObject({ type: 'set', ttl_ms: null });
    expect(sets.end.databases[0]).toMatchObject({ seen: 2, short: false, complete: true });
    expect((await scan(redis.port, { match: 'key:1?' })).facts.size).toBe(10);
  });

  it('reports progress', async () => {
    const redis = await redisForTest();
    await sendAll(await connected(redis.port), strings(20_000));
    const seen: number[] = [];
    await scan(
      redis.port,
      { pace: { duty: 0.05 }, cursors: 4 },
      {
        progress({ keys, of, done, rate }) {
          seen.push(keys, of ?? 0, done ?? -1, rate);
        },
      },
    );
    expect(seen.length).toBeGreaterThan(4);
    const [keys, of, done, rate] = seen as [number, number, number, number];
    expect(of).toBe(20_000);
    expect(rate).toBeGreaterThan(0);
    expect(done).toBeGreaterThan(0);
    expect(Math.abs(done - keys / of)).toBeLessThan(0.1);
  });

  it('keeps names of any bytes and any length, and counts each once', async () => {
    const redis = await redisForTest();
    const every = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
    const odd = [
      '',
      ' ',
      'a\r\nb',
      '\x1b[31mred\x1b[0m',
      '*3\r\n$1\r\n',
      'tab\t"\'',
      every,
      '\xff\xfe',
    ];
    const long = ['a', 'b'].map((letter) => letter.repeat(1_000_000));
    const keys = [...odd, ...long, 'level:'.repeat(100)];
    await sendAll(
      await connected(redis.port),
      keys.map((key) => ['SET', key, key.length]),
    );
    const found = await scan(redis.port);
    expect(names(found)).toEqual(keys.map((key) => `0/${key}`).sort());
    expect(found.repeated.size).toBe(0);
    for (const key of long) expect(found.facts.get(`0/${key}`)?.bytes).toBeGreaterThan(1_000_000);
  });

  it('is at ease with an empty server', async () => {
    const redis = await redisForTest();
    expect((await scan(redis.port)).end).toMatchObject({ reason: 'done', databases: [] });
    const { end } = await scan(redis.port, { databases: [0], part: { part: 1, of: 4 } });
    expect(end.databases).toMatchObject([{ db: 0, keys_before: 0, seen: 0, complete: true }]);
  });

  it('works through a unix socket and TLS', async () => {
    const certificates = makeCertificates();
    const redis = await redisForTest({
      unixSocket: true,
      tls: { ...certificates.server, ca: certificates.ca },
    });
    const secure = { ...at(redis.port), tls: { rejectUnauthorized: false } };
    await sendAll(await connected(secure), strings(20_000));
    expect((await scan(secure, { cursors: 8 })).facts.size).toBe(20_000);
    const { facts } = await scan({ endpoint: { path: redis.socketPath as string } });
    expect(facts.size).toBe(20_000);
    certificates.remove();
  });

  it('throws what the sink throws', async () => {
    const redis = await redisForTest();
    await sendAll(await connected(redis.port), strings(2_000));
    const onKey = () => {
      throw new Error('the disk is full');
    };
    await expect(scan(redis.port, {}, { onKey })).rejects.toThrow('the disk is full');
    const ask = { type: false, size: 'none', ttl: false } as const;
    await expect(scan(redis.port, { ask, pace: { duty: 0.1 } }, { onKey })).rejects.toThrow(
      'the disk is full',
    );
  });
});

describe('a part of a table', () => {
  it.each([50, 3_000, 40_000])(
    '%i keys in 16 parts are the whole, each key in one',
    async (keys) => {
      const redis = await redisForTest();
      await sendAll(await connected(redis.port), strings(keys));
      const found = { facts: new Map(), repeated: new Map() };
      const sizes: number[] = [];
      for (const part of numbers(16)) {
        const before = found.facts.size;
        await scan(redis.port, { part: { part, of: 16 } }, { into: found });
        sizes.push(found.facts.size - before);
      }
      expect(found.facts.size).toBe(keys);
      expect(found.repeated.size).toBe(0);
      if (keys >= 40_000)
        for (const size of sizes) expect(Math.abs(size / (keys / 16) - 1)).toBeLessThan(0.15);
    },
  );
});

describe('a part that cannot be', () => {
  it('is refused with a word', async () => {
    const redis = await redisForTest({ users: ['only on nopass ~* +@all -dbsize'] });
    await sendAll(await connected(redis.port), strings(500));
    await expect(scan(redis.port, { part: { part: 0, of: 3 } })).rejects.toThrow(/no power of two/);
    const access = { ...at(redis.port), username: 'only', password: 'x' };
    await expect(scan(access, { part: { part: 0, of: 4 } })).rejects.toThrow(
      /order of the cursors/,
    );
  });
});

describe('the keys that a report shows', () => {
  it('have encoding, elements and idle time, or frequency', async () => {
    const redis = await redisForTest();
    const channel = await connected(redis.port);
    await sendAll(channel, [...MIXED, ['SELECT', 3], ['SADD', 'other', 'a', 'b']]);
    const keys = MIXED.map(([, key = '']) => ({
      db: 0,
      key: String(key),
      type: String(key).split(':')[0] as string,
    }));
    const details = await describeKeys(channel, [
      ...keys,
      { db: 3, key: 'other', type: 'set' },
      { db: 0, key: 'gone', type: 'hash' },
    ]);
    const of = (key: string) => details[keys.findIndex((one) => one.key === key)];
    expect(of('hash:hashtable')).toEqual({
      ...{ encoding: 'hashtable', elements: 5_000, frequency: null },
      idle_s: expect.any(Number),
    });
    expect(of('string:int')).toMatchObject({ encoding: 'int', elements: null });
    expect(of('stream:one')).toMatchObject({ encoding: 'stream', elements: 1 });
    expect(details.at(-2)).toMatchObject({ elements: 2 });
    expect(details.at(-1)).toMatchObject({ encoding: null, idle_s: null });
    await channel.send('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu');
    const [first] = await describeKeys(channel, keys);
    expect(first).toMatchObject({ idle_s: null, frequency: expect.any(Number) });
  });

  it('are described as far as the user may ask', async () => {
    const redis = await redisForTest({ users: ['only on nopass ~* +object +select +ping'] });
    await sendAll(await connected(redis.port), MIXED);
    const channel = await openChannel(
      { ...at(redis.port), username: 'only', password: 'x' },
      { timeout: 5_000 },
    );
    channel.speakBytes();
    expect(await describeKeys(channel, [{ db: 0, key: 'hash:listpack', type: 'hash' }])).toEqual([
      { encoding: 'listpack', elements: null, idle_s: expect.any(Number), frequency: null },
    ]);
    channel.close();
  });
});
