import { describe, expect, it } from 'vitest';
import { redisForTest } from '../commands/pinging.js';
import {
  askServer,
  bytesChannel,
  factsOf,
  mixedCorpus,
  noise,
  save,
  sendAll,
} from './rdb-corpus.js';

/** Fills a server, saves, and compares every key of the file with what the server says of it. */
async function compare(config: string[], most = 3_000) {
  const server = await redisForTest({ config });
  const channel = await bytesChannel(server.port);
  await sendAll(channel, mixedCorpus(most));
  await sendAll(channel, [
    ['SELECT', 7],
    ['SET', 'elsewhere', 'x', 'PX', 500_000],
    ['SELECT', 0],
  ]);
  const { facts, end } = await factsOf(await save(server, channel), { verify: true });
  expect(end).toMatchObject({ problem: undefined, checksum: 'verified', interrupted: false });
  const [first, second] = [0, 7].map((db) => [...facts.values()].filter((fact) => fact.db === db));
  const said = await askServer(
    channel,
    0,
    (first ?? []).map(({ key }) => key),
  );
  const other = await askServer(
    channel,
    7,
    (second ?? []).map(({ key }) => key),
  );
  await channel.send('SELECT', 0);
  expect(await channel.send('DBSIZE')).toBe(first?.length);
  channel.close();
  return { facts, end, said: [...said, ...other] };
}

const short = (key: string) => key.slice(0, 60);

describe('an RDB file that Redis 7.0 has written', () => {
  it.each([
    ['as it comes', []],
    ['without compression', ['rdbcompression no']],
    [
      'with small nodes and no compact encodings',
      [
        'list-max-listpack-size 4',
        'hash-max-listpack-entries 0',
        'set-max-intset-entries 0',
        'zset-max-listpack-entries 0',
        'stream-node-max-entries 3',
      ],
    ],
    [
      'with large compact values',
      [
        'list-max-listpack-size -5',
        'hash-max-listpack-entries 100000',
        'hash-max-listpack-value 1000',
        'zset-max-listpack-entries 100000',
        'set-max-intset-entries 100000',
        'stream-node-max-bytes 0',
      ],
    ],
  ])('has the keys, types, encodings, elements and times of the server: %s', async (_, config) => {
    const { facts, end, said } = await compare(config);
    for (const { db, key, ttl_ms, bytes: _, ...rest } of said) {
      const fact = facts.get(`${db}:${key}`);
      expect(fact, short(key)).toMatchObject(rest);
      if (ttl_ms === null) expect(fact?.ttl_ms).toBeNull();
      // The file says in seconds when it was written.
      else expect(Math.abs((fact?.ttl_ms ?? 0) - ttl_ms), short(key)).toBeLessThan(60_000);
    }
    expect(facts.size).toBe(end.keys);
    expect(end.databases).toEqual([
      { db: 0, keys: end.keys - 1, expires: 9, announced: { keys: end.keys - 1, expires: 9 } },
      { db: 7, keys: 1, expires: 1, announced: { keys: 1, expires: 1 } },
    ]);
    expect(end.aux.get('redis-ver')).toMatch(/^7\.0/);
    expect(end).toMatchObject({ magic: 'REDIS', version: 10, keysCut: 0, bytes: end.total });
    const counted = end.encodings.reduce((sum, { keys }) => sum + keys, 0);
    expect(counted).toBe(end.keys);
  });

  it('has the memory that MEMORY USAGE says, within 2 % for each type and encoding', async () => {
    for (const config of [[], ['hash-max-listpack-entries 4', 'zset-max-listpack-entries 4']]) {
      const { facts, said } = await compare(config, 20_000);
      const sums = new Map<string, { estimate: number; real: number }>();
      for (const { db, key, type, encoding, bytes } of said) {
        const name = `${type} ${encoding}`;
        const sum = sums.get(name) ?? { estimate: 0, real: 0 };
        sum.estimate += facts.get(`${db}:${key}`)?.bytes ?? 0;
        sum.real += bytes;
        sums.set(name, sum);
      }
      for (const [name, { estimate, real }] of sums)
        expect(Math.abs(estimate / real - 1), `${name}: ${estimate} for ${real}`).toBeLessThan(
          0.02,
        );
    }
  });

  it('is exact for strings, compact values, lists and streams with their groups', async () => {
    const { facts, said } = await compare([]);
    const exact = new Set(['int', 'embstr', 'raw', 'listpack', 'intset', 'quicklist', 'stream']);
    const compared = said.filter(({ encoding }) => exact.has(encoding ?? ''));
    expect(compared.length).toBeGreaterThan(700);
    for (const { db, key, bytes } of compared)
      expect(facts.get(`${db}:${key}`)?.bytes, short(key)).toBe(bytes);
  });

  it('has the idle time or the frequency of keys, where the policy keeps it', async () => {
    const server = await redisForTest({
      config: ['maxmemory 1gb', 'maxmemory-policy allkeys-lfu'],
    });
    const channel = await bytesChannel(server.port);
    await sendAll(channel, [['SET', 'a', 1], ['SET', 'b', 2], ...Array(200).fill(['GET', 'a'])]);
    const frequent = await factsOf(await save(server, channel));
    const said = await channel.send('OBJECT', 'FREQ', 'a');
    expect(frequent.facts.get('0:a')).toMatchObject({ frequency: said, idle_s: null });
    expect(frequent.facts.get('0:b')?.frequency).toBeLessThan(said as number);
    await channel.send('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    const idle = await factsOf(await save(server, channel));
    expect(idle.facts.get('0:a')).toMatchObject({ frequency: null, idle_s: expect.any(Number) });
    channel.close();
  });

  it('counts functions and passes them over', async () => {
    const server = await redisForTest();
    const channel = await bytesChannel(server.port);
    const library = (name: string) =>
      `#!lua name=${name}\nredis.register_function('${name}', function() return '${noise(1, 500)}' end)`;
    await sendAll(channel, [
      ['FUNCTION', 'LOAD', library('one')],
      ['FUNCTION', 'LOAD', library('two')],
      ['SET', 'key', 'value'],
    ]);
    const { end, facts } = await factsOf(await save(server, channel));
    expect(end).toMatchObject({ functions: 2, keys: 1, problem: undefined });
    expect([...facts.keys()]).toEqual(['0:key']);
    channel.close();
  });

  it('has no sum where the server writes none, and an empty one has no keys', async () => {
    const server = await redisForTest({ config: ['rdbchecksum no'] });
    const channel = await bytesChannel(server.port);
    const { end } = await factsOf(await save(server, channel));
    expect(end).toMatchObject({ keys: 0, databases: [], checksum: 'absent', problem: undefined });
    channel.close();
  });

  it('reports as it goes, and ends early when it is told to, with what it has', async () => {
    const server = await redisForTest({ config: ['rdbcompression no'] });
    const channel = await bytesChannel(server.port);
    await sendAll(
      channel,
      Array.from({ length: 4_000 }, (_, at) => ['SET', `key:${at}`, 'x'.repeat(3_000)]),
    );
    const file = await save(server, channel);
    channel.close();
    const abort = new AbortController();
    const seen: number[] = [];
    const { end, facts } = await factsOf(file, {
      signal: abort.signal,
      progress({ bytes, total, keys }) {
        expect(bytes).toBeLessThan(total as number);
        seen.push(keys);
        if (seen.length === 2) abort.abort();
      },
    });
    expect(end).toMatchObject({ interrupted: true, problem: undefined, checksum: 'unchecked' });
    expect(end.keys).toBe(seen[1]);
    expect(facts.size).toBe(end.keys);
    expect(end.keys).toBeGreaterThan(500);
  });
});
