import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startRedis } from '../servers/redis.js';
import { bytes, file, key, length, lzf, pieces, string } from './rdb-bytes.js';
import { bytesChannel, factsOf, mixedCorpus, save, sendAll } from './rdb-corpus.js';
import { RDB_6, RDB_7, RDB_8, RDB_9, RDB_10 } from './rdb-fixtures.js';

const FIXTURES = [RDB_6, RDB_7, RDB_8, RDB_9, RDB_10];
/** A file of Redis 7.0 with every type and encoding, about 200 KB. */
let real: Buffer;

beforeAll(async () => {
  const server = await startRedis();
  const channel = await bytesChannel(server.port);
  const small = mixedCorpus(150).filter((command) => command.join().length < 20_000);
  await sendAll(channel, small);
  real = readFileSync(await save(server, channel));
  channel.close();
  await server.stop();
});

const damaged = (data: Buffer, at: number, mask: number) => {
  const copy = Buffer.from(data);
  copy[at] = (copy[at] as number) ^ mask;
  return copy;
};

describe('an RDB that comes in pieces', () => {
  it('is the same however it is cut', async () => {
    for (const data of [real, ...FIXTURES]) {
      const whole = await factsOf(pieces(data), { now: 0 });
      expect(whole.end.problem).toBeUndefined();
      for (const size of [data === real ? 7 : 1, 61, 4_099]) {
        const cut = await factsOf(pieces(data, size), { now: 0, verify: true });
        expect(cut.end.checksum).toBe(data === real ? 'verified' : 'absent');
        expect(cut.facts).toEqual(whole.facts);
        expect({ ...cut.end, checksum: '' }).toEqual({ ...whole.end, checksum: '' });
      }
    }
  });

  it('says what was read when the stream breaks', async () => {
    async function* breaking() {
      yield real.subarray(0, 50_000);
      throw new Error('the line is dead');
    }
    const { end, facts } = await factsOf(breaking());
    expect(end.problem).toMatchObject({ offset: 50_000, found: 'the line is dead' });
    expect(facts.size).toBe(end.keys);
    expect(end.keys).toBeGreaterThan(20);
  });

  it('ends when it is told to, though nothing more comes', async () => {
    async function* silent() {
      yield real.subarray(0, 50_000);
      await new Promise(() => {});
    }
    const abort = new AbortController();
    const progress = () => setImmediate(() => abort.abort());
    const { end } = await factsOf(silent(), { signal: abort.signal, progress });
    expect(end).toMatchObject({ interrupted: true, problem: undefined });
    expect(end.keys).toBeGreaterThan(20);
  });
});

describe('a truncated RDB', () => {
  it('has the keys before its end, wherever that is, and says where it is', async () => {
    for (const data of FIXTURES) {
      const whole = [...(await factsOf(pieces(data), { now: 0 })).facts.values()];
      for (let size = 0; size < data.length; size += 1) {
        const { end, facts } = await factsOf(pieces(data.subarray(0, size)), { now: 0 });
        expect(end.problem).toMatchObject({ offset: size, found: 'the end of the input' });
        expect([...facts.values()]).toEqual(whole.slice(0, end.keys));
      }
    }
  });

  it('is one too where it has been cut in the middle of a value that is passed over', async () => {
    const data = file(
      'REDIS0011',
      key(0, 'a', string('1')),
      key(0, 'b', string('x'.repeat(99_000))),
    );
    const { end } = await factsOf(pieces(data.subarray(0, 50_000), 1_000));
    expect(end).toMatchObject({ keys: 1, bytes: 50_000 });
    expect(end.problem?.expected).toMatch(/^the rest of .* that begins at 14$/);
  });
});

describe('a corrupt RDB', () => {
  it('never hangs and never throws, whichever byte is wrong', async () => {
    const step = Math.ceil(real.length / 400);
    const places = (data: Buffer) => (data === real ? step : 3);
    for (const data of [real, ...FIXTURES]) {
      for (let at = 0; at < data.length; at += places(data)) {
        const { end, facts } = await factsOf(pieces(damaged(data, at, 1 << (at % 8))));
        expect(facts.size).toBeLessThanOrEqual(end.keys);
        expect(end.keys).toBeLessThan(data.length);
        if (end.problem) expect(end.problem.offset).toBeLessThanOrEqual(data.length);
      }
    }
    expect(process.memoryUsage.rss()).toBeLessThan(600 * 2 ** 20);
  });

  it('is noticed by its sum, with all keys, where only a value is wrong', async () => {
    const place = real.indexOf('a key that is a number') + 3;
    const { end } = await factsOf(pieces(damaged(real, place, 1)), { verify: true });
    const intact = await factsOf(pieces(real), { verify: true });
    expect(end).toMatchObject({ checksum: 'wrong', keys: intact.end.keys });
    expect(end.problem).toMatchObject({
      offset: real.length - 8,
      expected: expect.stringMatching(/^the sum [0-9a-f]{16} of what comes before$/),
      found: real
        .readBigUInt64LE(real.length - 8)
        .toString(16)
        .padStart(16, '0'),
    });
    const unchecked = await factsOf(pieces(damaged(real, place, 1)), { verify: false });
    expect(unchecked.end).toMatchObject({ checksum: 'unchecked', problem: undefined });
  });

  it.each([
    ['a length of no kind', bytes(2, string('key'), 0x90), 'a length', '0x90', 14],
    [
      'a compact value of another length',
      key(20, 'key', string('123456789')),
      'a listpack of 9 bytes',
      'one of 875770417',
      14,
    ],
    [
      'LZF that is none',
      bytes(0, 0xc3, length(3), length(40), '\xff\xff\xff'),
      'LZF of 40 bytes',
      'something else',
      10,
    ],
    [
      'a list node of no kind',
      key(18, 'key', length(1), 9),
      'a list node, plain (1) or packed (2)',
      '9',
      16,
    ],
    [
      'a stream ID of 3 bytes',
      key(15, 'key', length(1), string('abc')),
      'the 16 bytes of a stream ID',
      '0x03',
      16,
    ],
  ])('says what was expected, and where: %s', async (_, record, expected, found, offset) => {
    const before = key(0, 'before', string('v'));
    const { end, facts } = await factsOf(pieces(file('REDIS0011', before, record)));
    expect([...facts.keys()]).toEqual(['0:before']);
    expect(end.problem).toEqual({ offset: offset + before.length, expected, found });
  });

  it('asks for no memory that lengths only claim', async () => {
    const before = process.memoryUsage.rss();
    for (const claim of [2 ** 30, 2 ** 40, 2 ** 62]) {
      const huge = length(claim);
      for (const record of [
        bytes(0, huge),
        bytes(0, 0xc3, huge, huge),
        bytes(0, 0xc3, length(40), huge, '\x00a'.repeat(20)),
        bytes(4, string('key'), huge),
        bytes(18, string('key'), huge, 2, huge),
        bytes(15, string('key'), huge),
        bytes(0xfa, huge, 'x'),
        bytes(0xfb, huge, huge),
      ]) {
        const { end } = await factsOf(pieces(file('REDIS0011', record, 'x'.repeat(500))));
        expect(end.keys).toBeLessThan(3);
      }
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 2 ** 20);
  });

  it('cuts keys above 16 MB, says how many, and goes on', async () => {
    const name = Buffer.alloc(20 * 2 ** 20, 'k');
    const data = file('REDIS0011', key(0, name.toString('latin1'), string('v')), [
      bytes(0, lzf(name), string('v')),
      key(0, 'after', string('v')),
    ]);
    const { end, facts } = await factsOf(pieces(data, 65_536));
    expect(end).toMatchObject({ keys: 3, keysCut: 2, problem: undefined });
    const [first] = facts.values();
    expect(first?.key.length).toBe(16 * 2 ** 20);
    expect(first?.bytes).toBeGreaterThan(name.length);
  });
});

describe('a file that is no RDB that can be read', () => {
  const from = 'REDIS or VALKEY and a version: the beginning of an RDB file';
  it.each([
    [
      'text',
      Buffer.from('hello, here is no RDB'),
      { offset: 0, expected: from, found: '"hello, he"' },
    ],
    ['gzip', Buffer.from('1f8b08000000000000ff', 'hex'), { found: 'gzip: unpack it first' }],
    [
      'an append-only file',
      Buffer.from('*2\r\n$6\r\nSELECT\r\n'),
      { found: 'commands: an append-only file' },
    ],
    [
      'version 13 of Redis',
      file('REDIS0013'),
      { offset: 5, expected: 'a version from 6 to 12 after REDIS', found: 'version 13' },
    ],
    ['version 5 of Redis', file('REDIS0005'), { offset: 5, found: 'version 5' }],
    [
      'version 81 of Valkey',
      file('VALKEY081'),
      { offset: 6, expected: 'version 80 after VALKEY', found: 'version 81' },
    ],
    [
      'an unknown type',
      file('REDIS0011', bytes(200, 'x')),
      { offset: 9, expected: 'a type or opcode of REDIS RDB 11', found: '0xc8 (200)' },
    ],
    ['a type of another age', file('REDIS0011', bytes(6, 'x')), { offset: 9, found: '0x06 (6)' }],
    [
      'nothing',
      Buffer.alloc(0),
      { offset: 0, expected: 'the beginning of an RDB file', found: 'the end of the input' },
    ],
  ])('%s', async (_, data, problem) => {
    const { end } = await factsOf(pieces(data));
    expect(end).toMatchObject({ keys: 0, checksum: 'unchecked', problem });
  });

  it('is refused when it cannot be opened', async () => {
    await expect(factsOf('/nowhere/dump.rdb')).rejects.toMatchObject({
      code: 'not_found',
      message: 'cannot read /nowhere/dump.rdb (ENOENT)',
    });
    await expect(factsOf('/tmp')).rejects.toMatchObject({ message: 'cannot read /tmp (a folder)' });
  });

  it('leaves out what stands behind the end', async () => {
    const server = await startRedis();
    const path = join(server.dir, 'twice.rdb');
    writeFileSync(path, Buffer.concat([real, real]));
    const { end } = await factsOf(path);
    expect(end).toMatchObject({ checksum: 'verified', bytes: real.length, total: 2 * real.length });
    await server.stop();
  });
});
