import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { fill, fingerprint, keysOn } from './keys-estate.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ users: RESTRICTED });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());

const RESTRICTED = [
  'scanner on >pw ~* +@connection +scan +type +pttl',
  'typeless on >pw ~* +@connection +scan',
  'fenced on >pw ~mine:* +@connection +scan +type +pttl',
];
const as = (user: string) => server.url.replace('redis://', `redis://${user}:pw@`);

const ODD = [
  ['latin', Buffer.from([0x61, 0xff, 0x62])],
  ['lines', Buffer.from('two\nlines\tand "quotes"')],
  ['ansi', Buffer.from('\u001b[31mred\u001b[0m')],
  ['emoji', Buffer.from('key:😀:é')],
  ['empty', Buffer.alloc(0)],
  ['deep', Buffer.from(Array(100).fill('level').join(':'))],
] as const;

describe('keys ls', () => {
  it('streams the keys of a pattern with type and TTL, and says how many were looked at', async () => {
    await fill(redis, 'other:', 1_500);
    await redis.set('asl:a', '1', 'EX', 100);
    await redis.hset('asl:b', { f: 'v' });
    const { code, items, result } = await keysOn(server.url).json('ls', 'asl:*');
    expect(code).toBe(0);
    expect(items.sort((a, b) => (a.key < b.key ? -1 : 1))).toMatchObject([
      { target: 'main', db: 0, key: 'asl:a', key_type: 'string', ttl_ms: expect.any(Number) },
      { key: 'asl:b', key_type: 'hash', ttl_ms: null, bytes: null },
    ]);
    expect(result).toMatchObject({ type: 'summary', keys: 2, looked_at: 1_502, complete: true });
  });

  it('lists every key once, whatever is in its name', async () => {
    for (const [, name] of ODD) await redis.set(name, 'v');
    await fill(redis, 'plain:', 5_000);
    const { items } = await keysOn(server.url).json('ls', '*');
    const bytes = items.map(({ key, key_base64 }) =>
      key_base64 === undefined ? Buffer.from(key) : Buffer.from(key_base64, 'base64'),
    );
    const stored = await redis.keysBuffer('*');
    expect(bytes.sort(Buffer.compare)).toEqual(stored.sort(Buffer.compare));
  });

  it('never sends the control characters of a name to a terminal', async () => {
    for (const [, name] of ODD) await redis.set(name, 'v');
    const shown = await keysOn(server.url).keys(['ls', '*'], { tty: true, columns: 40 });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(shown.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(shown.stdout).toContain('\\x1b[31mred');
  });

  it('stops at the limit and says that there are more', async () => {
    await fill(redis, 'n:', 3_000);
    const { items, result } = await keysOn(server.url).json('ls', 'n:*', '--limit', '7');
    expect([items.length, result.keys, result.complete]).toEqual([7, 7, false]);
    expect(result.looked_at).toBeLessThan(3_000);
  });

  it('shows a page on a terminal, and everything in a pipe, one line a key', async () => {
    await fill(redis, 'n:', 250);
    const estate = keysOn(server.url);
    const terminal = await estate.keys(['ls', 'n:*'], { tty: true });
    expect(terminal.stdout.match(/^n:\d+/gm)).toHaveLength(100);
    expect(terminal.stdout).toContain('100 keys of about');
    const pipe = await estate.keys(['ls', 'n:*']);
    expect(pipe.stdout.split('\n')[0]).toMatch(/^n:\d+\tstring\t\t\tmain\t0$/);
    expect(pipe.stdout.trim().split('\n')).toHaveLength(250);
  });

  it('takes a pattern without a wildcard for the one key of that name, and says so', async () => {
    await redis.set('a', '1');
    await redis.set('a*b', '2');
    const estate = keysOn(server.url);
    const one = await estate.keys(['ls', 'a']);
    expect(one.stdout).toMatch(/^a\tstring/);
    expect(one.stderr).toContain("All that begin so: 'a*'");
    const star = await estate.json('ls', 'a\\*b');
    expect(star.items.map(({ key }) => key)).toEqual(['a*b']);
    expect((await estate.json('ls', 'nothing')).result).toMatchObject({ keys: 0, literal: true });
  });

  it('filters by type and knows sizes and other databases', async () => {
    await redis.set('s', 'x'.repeat(10_000));
    await redis.rpush('l', 'x');
    await redis.select(3);
    await redis.set('third', 'x');
    await redis.select(0);
    const estate = keysOn(server.url);
    const strings = await estate.json('ls', '*', '--type', 'string', '--size');
    expect(strings.items).toMatchObject([{ key: 's', bytes: await redis.memory('USAGE', 's') }]);
    const third = await estate.json('ls', '*', '--db', '3');
    expect(third.items).toMatchObject([{ key: 'third', db: 3 }]);
    await redis.select(3);
    await redis.flushdb();
    await redis.select(0);
  });

  it('works for a user who may only SCAN, TYPE and PTTL, and says what is missing', async () => {
    await redis.set('mine:a', '1');
    await redis.set('theirs:b', '1');
    const scanner = await keysOn(as('scanner')).json('ls', '*', '--size');
    expect([scanner.code, scanner.items.length, scanner.result.no_sizes]).toEqual([0, 2, true]);
    const typeless = await keysOn(as('typeless')).json('ls', '*');
    expect(typeless.code).toBe(6);
    expect(typeless.error.message).toContain('may not run TYPE');
    const fenced = await keysOn(as('fenced')).json('ls', '*');
    expect([fenced.code, fenced.result.unreadable]).toEqual([4, 1]);
    expect(fenced.items.map(({ key, readable }) => [key, readable]).sort()).toEqual([
      ['mine:a', true],
      ['theirs:b', false],
    ]);
  });

  it('says why a Redis cannot be reached, with exit 5', async () => {
    const { code, error } = await keysOn('redis://127.0.0.1:1').json('ls', '*');
    expect([code, error.code]).toEqual([5, 'connect']);
    expect(error.hint).toBe('cache-ops ping main');
  });

  it('ends at an interruption with what it has', async () => {
    await fill(redis, 'n:', 2_000);
    const controller = new AbortController();
    controller.abort(new Error('interrupted by SIGINT'));
    const { code } = await keysOn(server.url).keys(['ls', '*'], { signal: controller.signal });
    expect(code).toBe(130);
  });
});

describe('keys show', () => {
  it('shows every type of value page by page', async () => {
    await redis.set('s', 'abcdefghij');
    await redis.rpush('l', 'a', 'b', 'c');
    await redis.zadd('z', 1, 'a', 2.5, 'b', 'inf', 'c');
    await redis.xadd('x', '1-1', 'f', 'v', 'g', 'w');
    await redis.xadd('x', '2-1', 'f', 'v2');
    const estate = keysOn(server.url);
    const show = async (...argv: string[]) => (await estate.json('show', ...argv)).result;
    const page = ['--limit', '2'];
    expect(await show('s', '--limit', '4', '--offset', '2')).toMatchObject({
      key_type: 'string',
      length: 10,
      entries: [{ value: 'cdef' }],
      next: { flag: '--offset', value: '6' },
    });
    expect(await show('l', ...page)).toMatchObject({
      entries: [
        { index: 0, value: 'a' },
        { index: 1, value: 'b' },
      ],
      next: { flag: '--offset', value: '2' },
    });
    expect(await show('z', ...page, '--offset', '1')).toMatchObject({
      length: 3,
      entries: [
        { value: 'b', score: '2.5' },
        { value: 'c', score: 'inf' },
      ],
      next: null,
    });
    const first = await show('x', '--limit', '1');
    expect(first.entries).toEqual([
      { id: '1-1', field: 'f', value: 'v' },
      { id: '1-1', field: 'g', value: 'w' },
    ]);
    expect(first.next).toEqual({ flag: '--cursor', value: '2-1' });
    expect(await show('x', '--cursor', '2-1')).toMatchObject({
      entries: [{ id: '2-1', value: 'v2' }],
      next: null,
    });
  });

  it.each([
    ['hash', 'HSET', (at: number) => [`f${at}`, `v${at}`]],
    ['set', 'SADD', (at: number) => [`m${at}`]],
  ])('turns all pages of a large %s', async (type, command, member) => {
    const members = Array.from({ length: 3_000 }, (_, at) => member(at)).flat();
    await redis.call(command, 'big', ...members);
    const estate = keysOn(server.url);
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const { result } = await estate.json('show', 'big', '--limit', '500', '--cursor', cursor);
      expect(result.key_type).toBe(type);
      for (const { field, value } of result.entries) seen.add(field ?? value);
      cursor = result.next?.value ?? '0';
    } while (cursor !== '0');
    expect(seen.size).toBe(3_000);
  });

  it('is safe with bytes: base64 beside what is not UTF-8, and --raw as it is', async () => {
    const value = Buffer.from([0x00, 0xff, 0x1b, 0x5b, 0x32, 0x4a]);
    await redis.set(Buffer.from([0xff, 0x6b]), value);
    const estate = keysOn(server.url);
    const { result } = await estate.json('show', '/2s=', '--base64');
    expect(result.key_base64).toBe('/2s=');
    expect(Buffer.from(result.entries[0].value_base64, 'base64')).toEqual(value);
    const raw = await estate.keys(['show', '/2s=', '--base64', '--raw']);
    expect(Buffer.from(raw.stdout, 'latin1')).toEqual(value);
    const terminal = await estate.keys(['show', '/2s=', '--base64'], { tty: true });
    expect(terminal.stdout).toContain('\\x00ÿ\\x1b[2J');
    const refused = await estate.keys(['show', '/2s=', '--base64', '--raw'], { tty: true });
    expect([refused.code, refused.stdout]).toEqual([2, '']);
  });

  it('shows each odd name, also the empty one', async () => {
    const estate = keysOn(server.url);
    for (const [label, name] of ODD) {
      await redis.set(name, label);
      const { result } = await estate.json('show', name.toString('base64'), '--base64');
      expect(result.entries).toEqual([{ value: label }]);
    }
    expect((await estate.json('show', '')).result.entries).toEqual([{ value: 'empty' }]);
    expect((await estate.json('show', 'key:😀:é')).result.entries).toEqual([{ value: 'emoji' }]);
  });

  it('lays JSON out on a terminal, cuts a long value, and shows it in full when asked', async () => {
    await redis.set('j', '{"a":[1,{"b":"c"}]}');
    await redis.set('long', 'x'.repeat(10_000));
    const estate = keysOn(server.url);
    const json = await estate.keys(['show', 'j'], { tty: true });
    expect(json.stdout).toContain('    {\n      "b": "c"\n    }');
    const cut = await estate.json('show', 'long');
    expect([cut.result.entries[0].value.length, cut.result.next.value]).toEqual([4_096, '4096']);
    const full = await estate.json('show', 'long', '--full');
    expect([full.result.entries[0].value.length, full.result.next]).toEqual([10_000, null]);
  });

  it('streams a string that is longer than its window as it is', async () => {
    const value = Buffer.alloc(2_500_000, 'abc\u00e9');
    await redis.set('huge', value);
    const { stdout } = await keysOn(server.url).keys(['show', 'huge', '--raw']);
    expect(Buffer.from(stdout, 'latin1').equals(value)).toBe(true);
  });

  it.each([
    [['show', 'nobody'], 'there is no key "nobody"'],
    [['show', 'l', '--cursor', '5'], 'a list has no --cursor'],
    [['show', 'h', '--offset', '5'], 'a hash has no --offset'],
    [['show', 'h', '--cursor', 'x'], '--cursor: "x" is none'],
    [['show', 'l', '--raw'], '--raw is for strings'],
    [['show', '%%', '--base64'], 'is not base64'],
    [['ls', '*', '--type', 'strin'], "argument 'strin' is invalid"],
    [['ls', '*', '--db', '99'], 'DB index is out of range'],
    [['ls', '*', '--target', 'mian'], 'no Redis is named "mian"'],
  ])('%j is refused in one line', async (argv, message) => {
    await redis.rpush('l', 'a');
    await redis.hset('h', { a: 'b' });
    const { code, stdout, stderr } = await keysOn(server.url).keys(argv);
    expect([code === 2 || code === 5, stdout]).toEqual([true, '']);
    expect(stderr).toContain(message);
  });

  it('says in which of several Redis a key is, and asks when it is in two', async () => {
    const url = `${server.url}/5`;
    await redis.set('here', '1');
    const estate = keysOn(server.url, { redis: { main: { url: server.url }, second: { url } } });
    expect((await estate.json('show', 'here')).result.target).toBe('main');
    await redis.select(5);
    await redis.set('here', '2');
    await redis.select(0);
    const both = await estate.json('show', 'here');
    expect([both.code, both.error.message]).toEqual([
      2,
      'several Redis have this key: main, second',
    ]);
    const { result } = await estate.json('show', 'here', '--target', 'second');
    expect(result.entries).toEqual([{ value: '2' }]);
  });
});

describe('keys ttl', () => {
  it('says of each key when it expires', async () => {
    await redis.set('a', '1', 'PX', 60_000);
    await redis.set('b', '1');
    const { code, result } = await keysOn(server.url).json('ttl', 'a', 'b', 'c');
    expect(code).toBe(4);
    expect(result.keys).toMatchObject([
      { key: 'a', state: 'expires', expires_at: expect.stringMatching(/Z$/) },
      { key: 'b', state: 'never expires', ttl_ms: null },
      { key: 'c', state: 'not there', target: null },
    ]);
    expect((await keysOn(server.url).json('ttl', 'c')).code).toBe(2);
  });

  it('makes a histogram of a pattern', async () => {
    for (const [key, seconds] of [
      ['p:1', 30],
      ['p:2', 60],
      ['p:3', 7_200],
      ['p:4', 9_000_000],
    ] as const)
      await redis.set(key, '1', 'EX', seconds);
    await redis.set('p:never', '1');
    await redis.set('q', '1');
    const { code, result } = await keysOn(server.url).json('ttl', 'p:*');
    expect(code).toBe(0);
    const [found] = result.targets;
    expect(found).toMatchObject({ keys: 5, no_ttl: 1, examples: [{ key: 'p:never' }] });
    const buckets = found.buckets.filter(({ keys }: { keys: number }) => keys > 0);
    expect(buckets).toEqual([
      { up_to_ms: 60_000, keys: 2 },
      { up_to_ms: 21_600_000, keys: 1 },
      { up_to_ms: null, keys: 1 },
    ]);
    const mixed = await keysOn(server.url).json('ttl', 'p:*', 'q');
    expect([mixed.code, mixed.error.code]).toEqual([2, 'usage']);
  });
});

it('reading changes nothing', async () => {
  await redis.set('s', '1', 'EX', 1_000);
  await redis.hset('h', { a: 'b' });
  await redis.rpush('l', 'a');
  const before = await fingerprint(redis);
  const changes = async () =>
    /rdb_changes_since_last_save:(\d+)/.exec(await redis.info('persistence'))?.[1];
  const counted = await changes();
  const estate = keysOn(server.url);
  for (const argv of [
    ['ls', '*', '--size'],
    ['show', 'h'],
    ['show', 'l'],
    ['ttl', '*'],
    ['audit'],
  ]) {
    await estate.keys(argv);
  }
  expect(await fingerprint(redis)).toBe(before);
  expect(await changes()).toBe(counted);
});
