import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { redisForTest } from '../commands/pinging.js';
import {
  bytes,
  double,
  file,
  i64,
  key,
  length,
  listpack,
  lzf,
  moduleId,
  pieces,
  string,
  u32,
  zipmap,
} from './rdb-bytes.js';
import { askServer, bytesChannel, factsOf } from './rdb-corpus.js';
import {
  DAY,
  moment,
  ms,
  PACKED_NAME,
  RDB_6,
  RDB_7,
  RDB_8,
  RDB_9,
  RDB_10,
  streamValue,
  tomorrow,
} from './rdb-fixtures.js';

describe('older formats, which Redis 7.0 reads too', () => {
  it.each([
    ['6', RDB_6],
    ['7', RDB_7],
    ['8', RDB_8],
    ['9', RDB_9],
    ['10', RDB_10],
  ])('version %s has the keys, types and elements that the server finds in it', async (_, data) => {
    const server = await redisForTest({ config: ['enable-debug-command yes'] });
    const path = join(server.dir, 'dump.rdb');
    writeFileSync(path, data);
    const channel = await bytesChannel(server.port);
    expect(await channel.send('DEBUG', 'RELOAD', 'NOSAVE')).toBe('OK');
    const { facts, end } = await factsOf(path);
    expect(end).toMatchObject({ problem: undefined, checksum: 'absent', bytes: data.length });
    const dbs = [...new Set([...facts.values()].map(({ db }) => db))];
    for (const db of dbs) {
      const keys = [...facts.values()].filter((fact) => fact.db === db).map(({ key }) => key);
      const said = await askServer(channel, db, keys);
      expect(await channel.send('DBSIZE')).toBe(keys.length);
      for (const { key: name, type, elements, ttl_ms } of said) {
        const fact = facts.get(`${db}:${name}`);
        expect(fact, name).toMatchObject({ type, elements });
        expect(fact?.ttl_ms === null, name).toBe(ttl_ms === null);
      }
    }
    channel.close();
  });

  it('keep the names of the encodings that their servers had', async () => {
    const { facts, end } = await factsOf(pieces(RDB_6));
    const encodings = [...facts.values()].map(({ key: name, encoding }) => [name, encoding]);
    expect(Object.fromEntries(encodings)).toMatchObject({
      'linked list': 'linkedlist',
      zipmap: 'zipmap',
      'list ziplist': 'ziplist',
      intset: 'intset',
      'zset ziplist': 'ziplist',
      zset: 'skiplist',
      'hash ziplist': 'ziplist',
    });
    expect(end.databases.map(({ db, keys, expires }) => [db, keys, expires])).toEqual([
      [0, end.keys - 1, 2],
      [9, 1, 0],
    ]);
  });

  it('count times to live from the moment of writing, where the file says that, else from now', async () => {
    const { facts } = await factsOf(pieces(RDB_7));
    expect(facts.get(`0:${PACKED_NAME}`)?.ttl_ms).toBe(tomorrow - 1_700_000_000_000);
    const undated = await factsOf(pieces(RDB_6), { now: tomorrow - 5_000 });
    expect(undated.facts.get('0:expires in ms')?.ttl_ms).toBe(5_000);
    const late = await factsOf(pieces(RDB_6), { now: tomorrow + DAY });
    expect(late.facts.get('0:expires in ms')?.ttl_ms).toBe(0);
  });

  it('have idle times and frequencies for the key that follows, and only for that', async () => {
    const { facts } = await factsOf(pieces(RDB_9));
    expect(facts.get('0:idle')).toMatchObject({ idle_s: 300, frequency: null });
    expect(facts.get('0:frequent')).toMatchObject({ idle_s: null, frequency: 200 });
    expect(facts.get('0:stream')).toMatchObject({ idle_s: null, frequency: null, elements: 3 });
  });
});

/** What comes after the value must be read too: the value has ended where it should. */
const after = key(0, 'after', string('value'));

async function factOf(magic: string, value: Buffer) {
  const { facts, end } = await factsOf(pieces(file(magic, value, after), 3));
  expect(end.problem).toBeUndefined();
  expect([...facts.keys()].at(-1)).toBe('0:after');
  return { ...facts.get('0:key'), keys: end.keys };
}

describe('newer formats', () => {
  it.each([
    [
      'a set listpack of 7.2',
      'REDIS0011',
      key(20, 'key', string(listpack(['a', 'b', 3]))),
      'set',
      'listpack',
      3,
    ],
    ['a stream of 7.2', 'REDIS0011', key(21, 'key', streamValue(3)), 'stream', 'stream', 3],
    [
      'a short list of 7.2',
      'REDIS0011',
      key(18, 'key', length(1), 2, string(listpack(['a', 'b']))),
      'list',
      'listpack',
      2,
    ],
    [
      'a hash with field times of 7.4',
      'REDIS0012',
      key(
        24,
        'key',
        moment,
        length(2),
        [length(0), string('a'), string('1')],
        [length(99), string('b'), string('2')],
      ),
      'hash',
      'hashtable',
      2,
    ],
    [
      'its form before the release',
      'REDIS0012',
      key(
        22,
        'key',
        length(2),
        [length(0), string('a'), string('1')],
        [length(ms), string('b'), string('2')],
      ),
      'hash',
      'hashtable',
      2,
    ],
    [
      'a compact hash with field times of 7.4',
      'REDIS0012',
      key(25, 'key', moment, string(listpack(['a', '1', 0, 'b', '2', 9]))),
      'hash',
      'listpackex',
      2,
    ],
    [
      'its form before the release',
      'REDIS0012',
      key(23, 'key', lzf(listpack(['a', '1', 0, 'b', '2', 9]))),
      'hash',
      'listpackex',
      2,
    ],
    [
      'a hash with field times of Valkey 9',
      'VALKEY080',
      key(
        22,
        'key',
        length(2),
        [string('a'), string('1'), i64(-1)],
        [string('b'), string('2'), moment],
      ),
      'hash',
      'hashtable',
      2,
    ],
  ])('%s', async (_, magic, value, type, encoding, elements) => {
    expect(await factOf(magic, value)).toMatchObject({ type, encoding, elements, keys: 2 });
  });

  it('a number of slots, an import of slots (Valkey), functions of before 7.0', async () => {
    const slotInfo = bytes(0xf4, length(16_383), length(100_000), length(5));
    const slotImport = bytes(0xf3, string('job'), length(2), [0, 100, 200, 16_000].map(length));
    const described = bytes(
      0xf6,
      string('f'),
      string('LUA'),
      1,
      string('what'),
      string('return 1'),
    );
    const plain = bytes(0xf6, string('g'), string('LUA'), 0, string('return 2'));
    const valkey = await factsOf(pieces(file('VALKEY080', slotImport, slotInfo, after), 3));
    expect(valkey.end).toMatchObject({ magic: 'VALKEY', version: 80, keys: 1, problem: undefined });
    const redis = await factsOf(pieces(file('REDIS0010', described, plain, after), 3));
    expect(redis.end).toMatchObject({ functions: 2, keys: 1, problem: undefined });
    // In a file of Redis that opcode means something else.
    const mixed = await factsOf(pieces(file('REDIS0012', slotImport, after)));
    expect(mixed.end.problem).toMatchObject({ offset: 9, found: '0xf3 (243)' });
  });

  it("modules' values and what they put beside the keys, without the modules", async () => {
    const parts = [
      [2, length(70_000)],
      [1, length(5)],
      [3, u32(0)],
      [4, double(1)],
      [5, string('text')],
    ];
    const moduleAux = bytes(0xf7, moduleId('MBbloom--'), [2, length(1)], parts, 0);
    const value = key(7, 'key', moduleId('ReJSON-RL', 3), parts, [5, lzf('y'.repeat(100_000))], 0);
    const { facts, end } = await factsOf(pieces(file('REDIS0011', moduleAux, value, after), 5));
    expect(end).toMatchObject({ keys: 2, modules: ['MBbloom--'], problem: undefined });
    expect(facts.get('0:key')).toMatchObject({
      type: 'ReJSON-RL',
      encoding: 'raw',
      elements: null,
    });
    expect(facts.get('0:key')?.bytes).toBeGreaterThan(100_000);
    expect(end.encodings).toContainEqual(expect.objectContaining({ type: 'module', keys: 1 }));
  });

  it('compact values that do not say how many elements they have', async () => {
    const many = listpack(['a', 'b']);
    many.writeUInt16LE(0xffff, 4);
    expect(await factOf('REDIS0011', key(20, 'key', string(many)))).toMatchObject({
      elements: null,
    });
    const map = zipmap([['a', 'b']]);
    map[0] = 254;
    expect(await factOf('REDIS0006', key(9, 'key', string(map)))).toMatchObject({ elements: null });
  });

  it('keys that are packed or numbers, and lengths of 32 and 64 bits', async () => {
    const long = bytes(0x81, Buffer.from([0, 0, 0, 0, 0, 0, 0, 3]), 'abc');
    const data = file(
      'REDIS0011',
      bytes(0, lzf('packed key '.repeat(9)), string('value')),
      bytes(0, 0xc2, u32(0xffff_fff0), string('a number')),
      bytes(0, long, long),
    );
    for (const size of [1, 2, 7, data.length]) {
      const { facts, end } = await factsOf(pieces(data, size));
      expect(end.problem).toBeUndefined();
      expect([...facts.keys()]).toEqual([`0:${'packed key '.repeat(9)}`, '0:-16', '0:abc']);
    }
  });
});
