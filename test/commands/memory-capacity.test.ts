import { describe, expect, it, onTestFinished } from 'vitest';
import type { CapacityResult } from '../../src/memory/capacity.js';
import { fingerprint } from '../queues/bullmq.js';
import { startCluster } from '../servers/cluster.js';
import { startSentinel } from '../servers/sentinel.js';
import { estate, redisWithClient, userFor } from './remembering.js';

const KB = 1024;
const MB = 1024 ** 2;
const ITEMS = ['--item', 'results=1000x50kb', '--item', 'checks=1000x5kb'];
const NOBODY = 'redis://127.0.0.1:1';

/** `memory capacity --json` in an estate with these targets. */
async function capacity(redis: Record<string, unknown>, ...argv: string[]) {
  const { code, result } = await estate(redis).json<CapacityResult>([
    'memory',
    'capacity',
    ...argv,
  ]);
  const [first] = result.targets;
  return { code, targets: result.targets, first: first ?? expect.fail('no target') };
}

describe('the estimate', () => {
  it('is the one of the runbook: 29 % of 256 MB', async () => {
    const { code, first } = await capacity({}, ...ITEMS, '--limit', '256mb');
    const needed = 1_000 * 50 * KB + 1_000 * 5 * KB + 20 * MB;
    expect(first).toMatchObject({
      target: null,
      limit_bytes: 256 * MB,
      basis: 'given',
      overhead_bytes: 20 * MB,
      needed_bytes: needed,
      verdict: 'fits',
      items: [
        { name: 'results', count: 1_000, size_bytes: 50 * KB, size_from: 'given', live: null },
        { name: 'checks', count: 1_000, total_bytes: 5_000 * KB },
      ],
    });
    expect([code, Math.round((first.ratio ?? 0) * 100)]).toEqual([0, 29]);
    const { stdout } = await estate({}).run(['memory', 'capacity', ...ITEMS, '--limit', '256mb'], {
      tty: true,
    });
    expect(stdout).toMatch(/estimate: 74 MB, 29 % of 256 MB \(given\): it fits/);
  });

  it.each([
    ['80mb', 'fits', 0],
    ['79.9mb', 'tight', 3],
    ['64mb', 'tight', 3],
    ['63.9mb', 'too_small', 3],
  ])('against %s: %s', async (limit, verdict, exit) => {
    const items = ['--item', 'a=1024x62.5kb', '--overhead', '1.5mb', '--limit', limit];
    const { code, first } = await capacity({}, ...items);
    expect([first.needed_bytes, first.verdict, code]).toEqual([64 * MB, verdict, exit]);
  });

  it('is made for each target against its own limit', async () => {
    const [small, large] = await Promise.all([
      redisWithClient({ config: ['maxmemory 70mb'] }),
      redisWithClient(),
    ]);
    const redis = { small: small.url, large: { url: large.url, capacity: '1gb' } };
    const { code, targets } = await capacity(redis, ...ITEMS);
    expect(targets).toMatchObject([
      { target: 'small', basis: 'maxmemory', limit_bytes: 70 * MB, verdict: 'too_small' },
      { target: 'large', basis: 'capacity', limit_bytes: 1_024 * MB, verdict: 'fits' },
    ]);
    expect(targets.every(({ used_bytes }) => (used_bytes ?? 0) > 0)).toBe(true);
    expect(code).toBe(3);
    expect((await capacity(redis, 'large', ...ITEMS)).code).toBe(0);
    const other = await capacity(redis, 'small', ...ITEMS, '--limit', '2gb');
    expect(other.first).toMatchObject({ target: 'small', basis: 'given', verdict: 'fits' });
  });

  it('takes the masters of a cluster together, and of a sentinel estate only the master', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    const sentinel = await startSentinel({ config: ['maxmemory 100mb'] });
    onTestFinished(() => sentinel.stop());
    const nodes = sentinel.sentinels.map(({ host, port }) => `${host}:${port}`);
    const shards = cluster.masters.map(({ port }) => `127.0.0.1:${port}`);
    const { targets } = await capacity(
      { shards: { cluster: shards, capacity: '100mb' }, ha: { sentinel: { name: 'main', nodes } } },
      ...ITEMS,
    );
    expect(targets.map(({ limit_bytes }) => limit_bytes)).toEqual([300 * MB, 100 * MB]);
    cluster.masters[0]?.kill('SIGKILL');
    const broken = await capacity({ shards: { cluster: shards, capacity: '100mb' } }, ...ITEMS);
    expect(broken.first).toMatchObject({ limit_bytes: null, verdict: 'unknown', reachable: false });
    expect(broken.code).toBe(5);
  });
});

describe('sizes of live keys', () => {
  it('are measured and used in the place of a size, with their number and spread', async () => {
    const { url, client, port } = await redisWithClient({ config: ['maxmemory 256mb'] });
    for (let index = 0; index < 40; index += 1)
      await client.set(`asl:llm:${index}`, 'x'.repeat(index % 2 === 0 ? 10_000 : 30_000));
    await client.set('asl:pdf:1', 'x'.repeat(200_000));
    const exact = await Promise.all(
      Array.from({ length: 40 }, (_, index) => client.memory('USAGE', `asl:llm:${index}`)),
    );
    const average = exact.reduce<number>((sum, bytes) => sum + Number(bytes), 0) / 40;
    const before = await fingerprint(port);
    const { first } = await capacity(
      { main: url },
      ...['--item', 'results=1000', '--from-live', 'results=asl:llm:*'],
    );
    expect(first.items[0]).toMatchObject({
      size_bytes: Math.round(average),
      total_bytes: 1_000 * Math.round(average),
      size_from: 'live',
      live: { match: 'asl:llm:*', keys: 40, complete: true, low_bytes: Math.round(average) },
    });
    const { min_bytes, max_bytes, deviation_bytes } = first.items[0]?.live ?? expect.fail();
    expect([min_bytes > 10_000, max_bytes < 40_000, deviation_bytes > 9_000]).toEqual([
      true,
      true,
      true,
    ]);
    expect(await fingerprint(port)).toEqual(before);
  });

  it('are those of a sample where there are many, and say how sure that is', async () => {
    const { url, client } = await redisWithClient();
    const pipeline = client.pipeline();
    for (let index = 0; index < 5_000; index += 1)
      pipeline.set(`k:${index}`, 'x'.repeat(1_000 + (index % 100) * 10));
    await pipeline.exec();
    const argv = ['--item', 'k=10x1kb', '--from-live', 'k=k:*', '--limit', '256mb'];
    const { first } = await capacity({ main: url }, ...argv);
    const live = first.items[0]?.live ?? expect.fail('not measured');
    expect([live.keys, live.complete]).toEqual([1_000, false]);
    expect(live.low_bytes).toBeLessThan(live.average_bytes);
    expect(live.high_bytes).toBeGreaterThan(live.average_bytes);
    // Values of 1,000 to 1,990 bytes, evenly.
    expect(Math.abs(live.average_bytes - 1_600)).toBeLessThan(100);
  });

  it('of keys that are not UTF-8 count too, and those of all masters of a cluster', async () => {
    const { url, client } = await redisWithClient();
    await client.set(Buffer.from([0xff, 0x00, 0xc3]), 'x'.repeat(5_000));
    const binary = await capacity({ main: url }, '--item', 'a=1', '--from-live', 'a=*');
    expect(binary.first.items[0]?.live?.keys).toBe(1);
  });

  it('give way to the given size where none match or they may not be read, and say so', async () => {
    const { url, client, port } = await redisWithClient();
    const none = await capacity({ main: url }, '--item', 'a=1x5kb', '--from-live', 'a=nothing:*');
    expect(none.first).toMatchObject({
      items: [{ size_from: 'given', size_bytes: 5 * KB }],
      remarks: ['a: the given size, as nothing:* could not be measured (no key matches)'],
    });
    await client.set('there', '1');
    const shy = await userFor(client, port, '+info', '+scan');
    const refused = await capacity({ main: shy }, '--item', 'a=1x5kb', '--from-live', 'a=*');
    expect(refused.first.remarks[0]).toMatch(/could not be measured \(NOPERM/);
    const { code, stderr } = await estate({ main: url }).run([
      'memory',
      'capacity',
      '--item',
      'a=7',
      '--from-live',
      'a=nothing:*',
    ]);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /the size of a is not known.*\n {2}hint: give it a size: --item a=7x50kb/,
    );
  });

  it('cannot be had of a Redis that is down', async () => {
    const argv = ['memory', 'capacity', '--item', 'a=7', '--from-live', 'a=*'];
    const { code, stderr } = await estate({ main: NOBODY }).run(argv);
    expect([code, stderr]).toEqual([5, expect.stringMatching(/main: its keys cannot be measured/)]);
  });
});

describe('a wrong command line', () => {
  it.each<[string[], RegExp]>([
    [[], /an --item is missing/],
    [['--item', 'results'], /"results" has no "="/],
    [['--item', '=5x1kb'], /"=5x1kb" has no name/],
    [['--item', 'a='], /"a=" has no count/],
    [['--item', 'a=x50kb'], /"a=x50kb" has no count/],
    [['--item', 'a=manyx5kb'], /--item a: "many" is not a whole number of at least 1/],
    [['--item', 'a=0x5kb'], /--item a: "0" is not a whole number/],
    [['--item', 'a=1.5x5kb'], /--item a: "1.5" is not a whole number/],
    [['--item', 'a=5'], /"a=5" has no size\n.*--from-live 'a=pattern:\*'/],
    [['--item', 'a=5x'], /--item a: "" is not a size/],
    [['--item', 'a=5xbig'], /--item a: "big" is not a size\n {2}hint: write it as 500b/],
    [['--item', 'a=5x0'], /--item a: "0" is not a size/],
    [['--item', 'a=5x1kbx2'], /has more than one "x"/],
    [['--item', 'a=5x1kb', '--item', 'a=6x1kb'], /"a" is given twice/],
    [['--item', 'a=5x1kb', '--from-live', 'b=x:*'], /no --item is named "b"\n {2}hint: items: a/],
    [['--item', 'a=5', '--from-live', 'a'], /"a" is not an item and a pattern/],
    [['--item', 'a=5', '--from-live', 'a='], /"a=" is not an item and a pattern/],
    [['--item', 'a=5x1kb', '--overhead', 'some'], /--overhead: "some" is not a size/],
    [['--item', 'a=5x1kb', '--limit', 'none'], /--limit: "none" is not a size/],
    [['--item', 'a=5x1kb', '--limit', '0'], /--limit: nothing fits into 0/],
    [['--item', 'a=5x1kb'], /no Redis is configured whose limit could be taken\n.*--limit 256mb/],
    [['--item', 'a=5', '--from-live', 'a=*', '--limit', '1mb'], /no Redis is configured/],
  ])('%j', async (argv, message) => {
    const { code, stdout, stderr } = await estate({}).run(['memory', 'capacity', ...argv]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});
