import { Cluster, Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { KeyMemory, KeyResult } from '../../src/memory/key-result.js';
import { fingerprint } from '../queues/bullmq.js';
import { startCluster } from '../servers/cluster.js';
import { startSentinel } from '../servers/sentinel.js';
import { until } from '../servers/wait.js';
import { estate, redisWithClient, userFor } from './remembering.js';

/** `memory key --json` in an estate with these targets. */
async function look(redis: Record<string, unknown>, ...argv: string[]) {
  const { code, result } = await estate(redis).json<KeyResult>(['memory', 'key', ...argv]);
  return { code, result, key: result.found[0] as KeyMemory };
}

/** A hash of `fields` fields, whose n-th value has n bytes. */
async function growingHash(client: Redis, key: string, fields: number) {
  const pipeline = client.pipeline();
  for (let n = 0; n < fields; n += 1) pipeline.hset(key, `f${n}`, 'v'.repeat(n));
  await pipeline.exec();
}

describe('one key in depth', () => {
  it('says what a string is, and how it begins', async () => {
    const { url, client, port } = await redisWithClient();
    await client.set('asl:llm:1', `{"title":"ä-${'ö'.repeat(50_000)}"}`, 'EX', 3_600);
    const { code, result, key } = await look({ main: url }, 'asl:llm:1');
    expect([code, result.key, result.problems]).toEqual([0, 'asl:llm:1', []]);
    expect(key).toMatchObject({
      target: 'main',
      address: `127.0.0.1:${port}`,
      db: 0,
      type: 'string',
      encoding: 'raw',
      bytes: Number(await client.memory('USAGE', 'asl:llm:1')),
      length_bytes: 100_015,
      elements: null,
      refcount: 1,
      frequency: null,
      walk: null,
      missing: [],
    });
    expect(key.ttl_ms).toBeGreaterThan(3_590_000);
    expect(Date.parse(key.expires_at ?? '')).toBeGreaterThan(Date.now() + 3_590_000);
    const [piece] = key.content ?? [];
    // Cut between characters, not within one.
    expect(piece).toEqual({ name: null, value: `{"title":"ä-${'ö'.repeat(53)}`, cut: true });
  });

  it.each<[string, (client: Redis) => Promise<unknown>, object, object]>([
    [
      'hash',
      (client) => growingHash(client, 'k', 600),
      { type: 'hash', encoding: 'hashtable', elements: 600 },
      { elements: 600, stopped: null, largest: [{ name: 'f599', bytes: 603 }, { name: 'f598' }] },
    ],
    [
      'small hash',
      (client) => client.hset('k', { a: '1', long: '22' }),
      { type: 'hash', encoding: 'listpack', elements: 2 },
      {
        elements: 2,
        bytes: 8,
        average_bytes: 4,
        largest: [{ name: 'long', bytes: 6 }, { name: 'a' }],
      },
    ],
    [
      'list',
      (client) => client.rpush('k', 'a', 'bbb', 'cc'),
      { type: 'list', elements: 3 },
      {
        elements: 3,
        bytes: 6,
        largest: [
          { name: '1', bytes: 3 },
          { name: '2', bytes: 2 },
        ],
      },
    ],
    [
      'set',
      (client) => client.sadd('k', 'x', 'yy'),
      { type: 'set', encoding: 'hashtable', elements: 2 },
      { elements: 2, bytes: 3, largest: [{ name: 'yy', bytes: 2 }, { name: 'x' }] },
    ],
    [
      'set of numbers',
      (client) => client.sadd('k', '1', '20'),
      { type: 'set', encoding: 'intset', elements: 2 },
      { elements: 2, largest: [{ name: '20' }, { name: '1' }] },
    ],
    [
      'sorted set',
      (client) => client.zadd('k', 1, 'a', 2.5, 'bb'),
      { type: 'zset', encoding: 'listpack', elements: 2 },
      { elements: 2, bytes: 19, largest: [{ name: 'bb', bytes: 10 }, { name: 'a' }] },
    ],
    [
      'stream',
      async (client) => {
        await client.xadd('k', '1-1', 'f', 'v');
        await client.xadd('k', '1-18446744073709551615', 'field', 'value');
        await client.xadd('k', '2-0', 'f', 'v', 'g', 'w');
      },
      { type: 'stream', encoding: 'stream', elements: 3 },
      {
        elements: 3,
        bytes: 16,
        largest: [{ name: '1-18446744073709551615', bytes: 10 }, { name: '2-0' }],
      },
    ],
  ])('%s: its elements by size', async (_, fill, facts, walked) => {
    const { url, client, port } = await redisWithClient();
    await fill(client);
    const before = await fingerprint(port);
    const { key } = await look({ main: url }, 'k', '--top', '2');
    expect(key).toMatchObject({ ...facts, ttl_ms: null, expires_at: null, walk: walked });
    const { histogram = [], elements, bytes } = key.walk ?? {};
    const sum = (field: 'elements' | 'bytes') =>
      histogram.reduce((all, each) => all + each[field], 0);
    expect([sum('elements'), sum('bytes')]).toEqual([elements, bytes]);
    expect(key.content?.length).toBe(Math.min(5, elements ?? 0));
    expect(await fingerprint(port)).toEqual(before);
  });

  it('walks all entries of a long stream and of a long list once', async () => {
    const { url, client } = await redisWithClient();
    const pipeline = client.pipeline();
    for (let n = 0; n < 2_345; n += 1) pipeline.xadd('events', '*', 'n', n).rpush('list', `e${n}`);
    await pipeline.exec();
    for (const name of ['events', 'list']) {
      const { key } = await look({ main: url }, name);
      expect([key.elements, key.walk?.elements, key.walk?.stopped]).toEqual([2_345, 2_345, null]);
    }
  });

  it('goes on behind the last id of a millisecond, an entry at a time where they are large', async () => {
    const { url, client } = await redisWithClient();
    const ids = ['1-1', '1-18446744073709551615', '2-0', '2-7'];
    for (const id of ids) await client.xadd('events', id, 'f', 'v'.repeat(300_000));
    const { key } = await look({ main: url }, 'events');
    expect(key.walk).toMatchObject({ elements: 4, stopped: null });
    expect(key.content?.map(({ name }) => name)).toEqual(ids);
  });

  it('stops at its limits and says so', async () => {
    const { url, client } = await redisWithClient();
    await growingHash(client, 'big', 3_000);
    const some = await look({ main: url }, 'big', '--limit', '700');
    expect(some.key.walk).toMatchObject({ elements: 700, stopped: 'elements' });
    const brief = await look({ main: url }, 'big', '--within', '0ms');
    expect(brief.key.walk).toMatchObject({ stopped: 'time' });
    expect(brief.key.walk?.elements).toBeLessThan(3_000);
    expect((await look({ main: url }, 'big', '--limit', '0')).key.walk?.elements).toBe(3_000);
    const { stdout } = await estate({ main: url }).run(['memory', 'key', 'big', '--limit', '700'], {
      tty: true,
    });
    expect(stdout).toContain('700 of 3,000 elements were looked at, as many as --limit allows');
  });

  it('looks all over a list that is longer than its limit', async () => {
    const { url, client } = await redisWithClient();
    for (let part = 0; part < 20; part += 1)
      await client.rpush('list', ...Array.from({ length: 500 }, () => 'x'.repeat(part + 1)));
    const { key } = await look({ main: url }, 'list', '--limit', '2000');
    expect(key.walk).toMatchObject({ elements: 2_000, stopped: 'elements' });
    expect(key.walk?.histogram.map(({ up_to }) => up_to)).toEqual([16, 64]);
  });

  it('measures by a sample, or with --exact by all elements', async () => {
    const { url, client } = await redisWithClient();
    await growingHash(client, 'big', 3_000);
    const exact = Number(await client.call('MEMORY', 'USAGE', 'big', 'SAMPLES', 0));
    expect((await look({ main: url }, 'big', '--exact')).key).toMatchObject({
      samples: 0,
      bytes: exact,
    });
    const { key } = await look({ main: url }, 'big');
    expect(key.samples).toBe(2_000);
    expect(Math.abs((key.bytes ?? 0) / exact - 1)).toBeLessThan(0.05);
    expect(await client.info('commandstats')).toMatch(/cmdstat_memory\|usage:calls=3/);
  });

  it('reads the idle time before it touches the key, and says that it did', async () => {
    const { url, client } = await redisWithClient();
    await client.hset('h', { a: '1' });
    await until(async () => Number(await client.object('IDLETIME', 'h')) >= 1, { every: 50 });
    const { key } = await look({ main: url }, 'h');
    expect(key.idle_s).toBeGreaterThanOrEqual(1);
    expect(key.touched).toBe(true);
    expect(await client.object('IDLETIME', 'h')).toBe(0);
  });

  it('has the frequency where the policy keeps that', async () => {
    const { url, client } = await redisWithClient({ config: ['maxmemory-policy allkeys-lfu'] });
    await client.set('k', 'x');
    const { key } = await look({ main: url }, 'k');
    expect(key).toMatchObject({ idle_s: null, missing: [] });
    expect(key.frequency).toBeGreaterThan(0);
  });
});

describe('bytes', () => {
  it('of keys and values that are not UTF-8 are kept, and never reach a terminal raw', async () => {
    const { url, client } = await redisWithClient();
    const name = Buffer.from([0xff, 0x00, 0x1b, 0x5b, 0x32, 0x4a, 0x0a]);
    await client.hset(name, Buffer.from([0xfe, 0x01]), Buffer.from([0xc3, 0x28, 0x9b]));
    const argv = ['--base64', name.toString('base64')];
    const { result, key } = await look({ main: url }, ...argv);
    expect(result.key_base64).toBe(name.toString('base64'));
    expect(key).toMatchObject({
      elements: 1,
      walk: { bytes: 5, largest: [{ name_base64: '/gE=', bytes: 5 }] },
      content: [{ name_base64: '/gE=', value_base64: 'wyib' }],
    });
    for (const tty of [true, false]) {
      const { stdout, stderr } = await estate({ main: url }).run(
        ['memory', 'key', ...argv, '--no-color'],
        {
          tty,
        },
      );
      // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these must not be there
      expect(stdout + stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
      expect(stdout).toContain(String.raw`\x1b[2J\n`);
    }
  });

  it('of keys with line breaks, quotes, emoji and no length at all', async () => {
    const { url, client } = await redisWithClient();
    for (const name of ['a\nb\t"c"', "it's", '🎉:1', '']) {
      await client.set(name, name || 'empty');
      const { result, key } = await look({ main: url }, name);
      expect([result.key, result.key_base64]).toEqual([name, undefined]);
      expect(key.content?.[0]?.value).toBe(name || 'empty');
    }
  });

  it('refuses what is not base64', async () => {
    const { code, stderr } = await estate({ main: 'redis://127.0.0.1:1' }).run([
      'memory',
      'key',
      '--base64',
      'a*b',
    ]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/"a\*b" is not base64/)]);
  });

  it('are not shown with --no-content', async () => {
    const { url, client } = await redisWithClient();
    await client.hset('patient', { name: 'secret-value' });
    await client.set('note', 'secret-value');
    for (const name of ['patient', 'note']) {
      const { stdout } = await estate({ main: url }).run([
        'memory',
        'key',
        name,
        '--no-content',
        '--json',
      ]);
      expect(stdout).not.toContain('secret-value');
      expect(JSON.parse(stdout).found[0].content).toBeNull();
    }
  });
});

describe('where the key is', () => {
  it('is found on any target and in any database', async () => {
    const [one, two] = await Promise.all([redisWithClient(), redisWithClient()]);
    await two.client.select(5);
    await two.client.set('here', 'x');
    const redis = { one: one.url, two: `${two.url}/5` };
    const { code, result } = await look(redis, 'here');
    expect([code, result.found.map(({ target, db }) => [target, db])]).toEqual([0, [['two', 5]]]);
    const plain = { one: one.url, two: two.url };
    expect((await look(plain, 'here', '--target', 'two', '--db', '5')).key.db).toBe(5);
    const { code: missed, stderr } = await estate(plain).run(['memory', 'key', 'here:it:is']);
    expect(missed).toBe(2);
    expect(stderr).toMatch(
      /no key "here:it:is" on one \(database 0\), two \(database 0\)\n {2}hint: .*keys ls 'here:it:\*'/,
    );
  });

  it('is not known where a target is down: 4 when it was found elsewhere, else 5', async () => {
    const { url, client } = await redisWithClient();
    await client.set('here', 'x');
    const redis = { main: url, dead: 'redis://127.0.0.1:1' };
    const { code, result } = await look(redis, 'here');
    expect([code, result.problems]).toEqual([
      4,
      [{ target: 'dead', reason: expect.stringMatching(/refused/) }],
    ]);
    const lost = await estate(redis).run(['memory', 'key', 'elsewhere']);
    expect([lost.code, lost.stderr]).toEqual([
      5,
      expect.stringMatching(/dead: connection refused|dead: /),
    ]);
  });

  it('is the owner of its slot in a cluster', async () => {
    const { masters, stop } = await startCluster();
    onTestFinished(stop);
    const nodes = masters.map(({ port }) => ({ host: '127.0.0.1', port }));
    const client = new Cluster(nodes);
    onTestFinished(() => client.disconnect());
    const cluster = nodes.map(({ host, port }) => `${host}:${port}`);
    const addresses = new Set<string>();
    for (let n = 0; n < 12; n += 1) {
      await client.hset(`k:${n}`, { n: String(n) });
      const { key } = await look({ shards: { cluster } }, `k:${n}`);
      expect(key.content).toEqual([{ name: 'n', value: String(n), cut: false }]);
      addresses.add(key.address);
    }
    expect(addresses.size).toBe(3);
    const { code } = await estate({ shards: { cluster } }).run(['memory', 'key', 'nope']);
    expect(code).toBe(2);
  });

  it('is the master behind sentinels, or the replica where one is meant', async () => {
    const sentinel = await startSentinel();
    onTestFinished(() => sentinel.stop());
    const nodes = sentinel.sentinels.map(({ host, port }) => `${host}:${port}`);
    const client = new Redis(sentinel.master.port);
    onTestFinished(() => client.disconnect());
    await client.set('k', 'x');
    await client.wait(1, 5_000);
    const ha = { sentinel: { name: 'main', nodes } };
    expect((await look({ ha }, 'k')).key.address).toBe(`127.0.0.1:${sentinel.master.port}`);
    const { key } = await look({ ha: { ...ha, replica: true } }, 'k');
    expect(key.address).toBe(`127.0.0.1:${sentinel.replica.port}`);
  });
});

describe('missing rights', () => {
  it('leave what is known, and a word for the rest', async () => {
    const { client, port } = await redisWithClient();
    await client.hset('h', { a: '1' });
    const url = await userFor(client, port, '+type', '+pttl', '+scan', '+memory|usage');
    const { code, key } = await look({ main: url }, 'h');
    expect(code).toBe(0);
    expect(key).toMatchObject({
      type: 'hash',
      ttl_ms: null,
      encoding: null,
      elements: null,
      walk: null,
    });
    expect(key.bytes).toBeGreaterThan(0);
    const commands = key.missing.map(({ command }) => command);
    expect(commands).toEqual(
      expect.arrayContaining([
        'OBJECT ENCODING',
        'OBJECT IDLETIME',
        'HLEN',
        'the elements of a hash',
      ]),
    );
    const { stdout } = await estate({ main: url }).run(['memory', 'key', 'h'], { tty: true });
    expect(stdout).toMatch(/HLEN is not to be had: NOPERM/);
  });

  it('to the key itself is a clear word', async () => {
    const { client, port } = await redisWithClient();
    await client.set('private:1', 'x');
    await client.call('ACL', 'SETUSER', 'shy', 'reset', 'on', '>pw', '~public:*', '+@all');
    const url = `redis://shy:pw@127.0.0.1:${port}`;
    const { code, stderr } = await estate({ main: url }).run(['memory', 'key', 'private:1']);
    expect(code).toBe(5);
    expect(stderr).toMatch(/may not look at the key: NOPERM.*\n {2}hint: ACL SETUSER NAME \+type/);
  });
});
