import { describe, expect, it } from 'vitest';
import { type ReportGroup, reportSchema } from '../../src/memory/report.js';
import { Tally } from '../../src/memory/tally/tally.js';
import {
  corpus,
  estate,
  fact,
  groupsOf,
  letters,
  md5,
  patternsOf,
  random,
  reportOf,
  shuffled,
  tallyOf,
} from './keys.js';

describe('totals', () => {
  it.each([1, 2, 3])('of the tree are those of the keys (corpus %i)', (seed) => {
    const facts = corpus(20_000, seed);
    const report = reportSchema.parse(reportOf(tallyOf(facts)));
    const bytes = facts.reduce((sum, each) => sum + each.bytes, 0);
    const forever = facts.filter(({ ttl_ms }) => ttl_ms === null);
    expect(report.totals).toMatchObject({
      keys: facts.length,
      bytes,
      max: Math.max(...facts.map((each) => each.bytes)),
      no_ttl: forever.length,
      no_ttl_bytes: forever.reduce((sum, each) => sum + each.bytes, 0),
    });
    for (const parts of [
      report.types,
      report.databases,
      report.size_histogram,
      report.ttl_histogram,
    ]) {
      expect(total(parts)).toEqual({ keys: facts.length, bytes });
    }
    expect(total(report.servers)).toEqual({ keys: facts.length, bytes });
    expect(report.ttl_histogram.at(-1)).toMatchObject({ up_to_ms: null, keys: forever.length });
    checkTree(report.tree, facts.length, bytes);
  });

  it('add up when there are more groups than the report takes, and more than memory has room for', () => {
    const facts = corpus(20_000, 4);
    const bytes = facts.reduce((sum, each) => sum + each.bytes, 0);
    const few = reportOf(tallyOf(facts), { groups: 50 });
    checkTree(few.tree, facts.length, bytes);
    expect(groupsOf(few).size).toBeLessThan(150);
    expect(total(few.tree.children)).toEqual({ keys: facts.length, bytes });
    const tally = tallyOf(facts, { nodes: 300 });
    expect(tally.tree.nodes).toBeLessThanOrEqual(300);
    checkTree(reportOf(tally).tree, facts.length, bytes);
  });

  it('count a key by its size and its time to live in the right classes', () => {
    const sizes = [1, 64, 65, 256, 1_024, 1_025, 2 ** 31, 2 ** 31 + 1, 2 ** 40];
    const report = reportOf(tallyOf(sizes.map((bytes) => fact('k', { bytes, ttl_ms: 3_600_000 }))));
    const counted = report.size_histogram.filter(({ keys }) => keys > 0);
    expect(counted.map(({ up_to, keys }) => [up_to, keys])).toEqual([
      [64, 2],
      [256, 2],
      [1_024, 1],
      [4_096, 1],
      [2 ** 32, 2],
      [2 ** 40, 1],
    ]);
    const day = 86_400_000;
    for (const bound of [60_000, day / 24, day, 7 * day, 30 * day]) {
      const classes = [bound, bound + 1].map((ttl_ms) => {
        const { ttl_histogram } = reportOf(tallyOf([fact('k', { ttl_ms })]));
        return ttl_histogram.findIndex(({ keys }) => keys > 0);
      });
      const at = report.ttl_histogram.findIndex(({ up_to_ms }) => up_to_ms === bound);
      expect(classes).toEqual([at, at + 1]);
    }
  });
});

const total = (parts: readonly { keys: number; bytes: number }[]) => ({
  keys: parts.reduce((sum, { keys }) => sum + keys, 0),
  bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
});

/** Children never have more than their parent; the leaves and what parents have beyond them are all keys. */
function checkTree(root: ReportGroup, keys: number, bytes: number): void {
  expect(root).toMatchObject({ keys, bytes });
  const visit = (group: ReportGroup): { keys: number; bytes: number } => {
    const below = total(group.children);
    expect(below.keys, group.pattern).toBeLessThanOrEqual(group.keys);
    expect(below.bytes, group.pattern).toBeLessThanOrEqual(group.bytes);
    const own = { keys: group.keys - below.keys, bytes: group.bytes - below.bytes };
    return total([own, ...group.children.map(visit)]);
  };
  expect(visit(root)).toEqual({ keys, bytes });
}

describe('groups', () => {
  it.each([
    ['numbers', 'user:{id}', ['user:1', 'user:23', 'user:-5', 'user:1.5']],
    [
      'hashes',
      'asl:llm:{id}',
      [`asl:llm:${md5(1)}`, `asl:llm:${md5(2).toUpperCase()}`, 'asl:llm:0abcdef1'],
    ],
    [
      'UUIDs',
      's:{id}',
      ['s:550e8400-e29b-41d4-a716-446655440000', 's:ABCDEFAB-CDEF-4BCD-8BCD-ABCDEFABCDE1'],
    ],
    [
      'ULIDs, nanoids, cuids',
      'x:{id}',
      ['x:01ARZ3NDEKTSV4RRFFQ69G5FAV', 'x:V1StGXR8_Z5jdHi6B-myT', 'x:cjld2cjxh0000qzrmn831i7rn'],
    ],
    ['e-mail addresses', 'mail:{id}', ['mail:alice@example.com', 'mail:bob.b@example.co.uk']],
    ['dates and times', 'stat:{id}', ['stat:2026-01-05', 'stat:20260105', 'stat:2026-01-05T10']],
    ['addresses', 'rate:{id}', ['rate:10.0.0.1', 'rate:192.168.1.20']],
    ['ids after a name', 'user_{id}', ['user_4711', 'user_123']],
    [
      'a UUID after a name',
      'celery-task-meta-{id}',
      [
        'celery-task-meta-550e8400-e29b-41d4-a716-446655440000',
        'celery-task-meta-abcdefab-e29b-41d4-a716-446655440000',
      ],
    ],
    ['a token after a name', 'sess-{id}', ['sess-x7Kp2mQ9a', `sess-${md5(3)}`]],
    ['hash tags', '{user:{id}}:profile', ['{user:1}:profile', '{user:22}:profile']],
    ['an id as a hash tag', 'cart:{{id}}', ['cart:{4711}', 'cart:{4712}']],
    [
      'jobs of Bull',
      'bull:mail:{id}',
      ['bull:mail:4711', 'bull:mail:550e8400-e29b-41d4-a716-446655440000'],
    ],
    ['parts of jobs', 'bull:mail:{id}:logs', ['bull:mail:4711:logs', 'bull:mail:12:logs']],
    ['repeated jobs', 'bull:mail:repeat:{id}:{id}', [`bull:mail:repeat:${md5(4)}:1700000000000`]],
    ['slashes', 'views/products/{id}', ['views/products/1', 'views/products/2-20260105']],
    ['bars', 'a|b|{id}', ['a|b|1', 'a|b|2']],
    ['dots', 'app.user.{id}', ['app.user.1', 'app.user.2']],
    ['no separator', '{id}', ['1234', md5(5)]],
    ['ids after an empty part', 'cache::{id}', ['cache::1', 'cache::2']],
    ['binary ids', 'b:{id}', ['b:\u0001\u0002x', 'b:\u0000']],
  ] as [string, string, string[]][])('%s become %s', (_, pattern, keys) => {
    expect(patternsOf(keys)).toEqual([pattern]);
  });

  it.each([
    ['names', ['asl:title-screening', 'asl:full_text', 'deadbeef', 'config:de']],
    ['names with a small number', ['cache:v1', 'cache:v2', 'hash:sha256x', 'shard:node-12']],
    ['names of BullMQ', ['bull:mail:meta', 'bull:mail:id', 'bull:mail:completed']],
    ['names in other scripts', ['\u7528\u6237:\u8d2d\u7269\u8f66', 'caf\u00e9:men\u00fc']],
    ['empty parts', [':x', 'a:', 'b::c']],
    ['an empty key', ['']],
  ])('%s stay', (_, keys) => {
    expect(patternsOf(keys)).toEqual([...keys].sort());
  });

  it('names are ids when there are many of them, and their parts are put together', () => {
    const names = Array.from({ length: 1_000 }, (_, n) => letters(n));
    const keys = names.flatMap((name) => [`tenant:${name}:profile`, `tenant:${name}:cart:open`]);
    expect(patternsOf(keys)).toEqual(['tenant:{id}:cart:open', 'tenant:{id}:profile']);
  });

  it('a frequent name among many rare ones keeps its group', () => {
    const rare = Array.from({ length: 20_000 }, (_, n) => `${letters(n)}:item`);
    const often = Array.from({ length: 2_000 }, (_, n) => `bull:mail:${n}`);
    for (const seed of [1, 2, 3]) {
      const groups = groupsOf(
        reportOf(tallyOf(shuffled([...rare, ...often], seed).map((key) => fact(key)))),
      );
      expect(groups.get('bull:mail:{id}')?.keys).toBe(2_000);
      expect(groups.get('{id}:item')?.keys).toBe(20_000);
    }
  });

  it('a name that became an id stays one: no group has a part of the keys of its name', () => {
    const rare = Array.from({ length: 1_000 }, (_, n) => `shop:${letters(n)}:x`);
    const late = Array.from({ length: 5_000 }, () => `shop:${letters(7)}:x`);
    expect(patternsOf([...rare, ...late])).toEqual(['shop:{id}:x']);
  });

  it("jobs with names of their own do not swallow Bull's structures", () => {
    const jobs = Array.from({ length: 3_000 }, (_, n) => `bull:mail:${letters(n)}`);
    const keys = shuffled(
      [...jobs, 'bull:mail:meta', 'bull:mail:completed', 'bull:mail:failed'],
      7,
    );
    expect(patternsOf(keys)).toEqual([
      'bull:mail:completed',
      'bull:mail:failed',
      'bull:mail:meta',
      'bull:mail:{id}',
    ]);
  });

  it('single keys with names are one group when there are many', () => {
    const keys = Array.from({ length: 40 }, (_, n) => `session:${letters(n)}`);
    expect(patternsOf(keys)).toEqual(['session:{id}']);
  });

  it('numbered names are one family once one of it has a large number', () => {
    expect(patternsOf(['shard7:x', 'shard12:x', 'shard120:x'])).toEqual(['shard{id}:x']);
  });

  it('are the same in whatever order the keys come', () => {
    const names = Array.from({ length: 3_000 }, (_, n) => letters(n));
    const facts = [
      ...estate(20_000, 9),
      ...names.map((name, n) =>
        fact(`shop:${name}:${n % 3 === 0 ? 'cart' : 'profile'}`, { bytes: 60 + n }),
      ),
      ...names.slice(0, 300).map((name) => fact(`lone${name}`)),
    ];
    const [first, ...others] = [1, 2, 3, 4, 5].map(
      (seed) => reportOf(tallyOf(shuffled(facts, seed))).tree,
    );
    for (const other of others) expect(other).toEqual(first);
  });

  it('no deeper than twelve parts', () => {
    const deep = Array.from({ length: 100 }, () => 'a').join(':');
    const groups = groupsOf(reportOf(tallyOf([fact(deep), fact(`${deep}:b`)])));
    expect(groups.size).toBe(12);
    expect(groups.get('a:a:a:a:a:a:a:a:a:a:a:a')?.keys).toBe(2);
  });

  it('memory is bounded over a million distinct prefixes', () => {
    const tally = new Tally({ server: 'x' });
    const reused = fact('');
    for (let n = 0; n < 1_000_000; n += 1) {
      // Every other one deeper than the tree is.
      const deep = n % 2 === 0 ? ':x' : ':x:x:x:x:x:x:x:x:x:x:x';
      reused.key = `${letters(n % 991)}:${letters(n % 997)}:${letters(n)}${deep}`;
      tally.add(reused);
      if (n % 10_000 === 0) expect(tally.tree.nodes).toBeLessThanOrEqual(20_000);
    }
    const report = reportOf(tally);
    checkTree(report.tree, 1_000_000, 100_000_000);
    expect(JSON.stringify(tally).length).toBeLessThan(4e6);
    expect(JSON.stringify(report).length).toBeLessThan(2e6);
  });
});

describe('figures', () => {
  it('p99 is within 2 % of the exact one', () => {
    const next = random(5);
    for (const spread of [1, 4, 12]) {
      for (const size of [1, 2, 99, 100, 101, 5_000]) {
        const sizes = Array.from({ length: size }, () =>
          Math.floor(40 + 50 * Math.exp(next() * spread)),
        );
        const { p99, average, max } = reportOf(
          tallyOf(sizes.map((bytes) => fact('k', { bytes }))),
        ).totals;
        const exact = sizes.sort((a, b) => a - b)[Math.ceil(size * 0.99) - 1] as number;
        expect(Math.abs(p99 - exact) / exact).toBeLessThanOrEqual(0.02);
        expect(average).toBe(Math.round(sizes.reduce((sum, bytes) => sum + bytes, 0) / size));
        expect(max).toBe(sizes.at(-1));
      }
    }
  });

  it('the largest keys are exactly those, over all and of each type', () => {
    const facts = corpus(30_000, 6);
    const report = reportOf(tallyOf(facts));
    const sizes = (of: readonly { bytes: number }[], most: number) =>
      of
        .map(({ bytes }) => bytes)
        .sort((a, b) => b - a)
        .slice(0, most);
    expect(report.top.map(({ bytes }) => bytes)).toEqual(sizes(facts, 100));
    const dense = Array.from({ length: 1_000 }, (_, n) =>
      fact(`k${n}`, { bytes: 100 + Math.floor(n / 7) }),
    );
    const tops = [1, 2].map((seed) => reportOf(tallyOf(shuffled(dense, seed))).top);
    expect(tops[0]?.map(({ bytes }) => bytes)).toEqual(sizes(dense, 100));
    // Also of equal ones.
    expect(tops[0]).toEqual(tops[1]);
    for (const type of ['string', 'hash', 'zset', 'ReJSON-RL']) {
      const ofType = facts.filter((each) => each.type === type);
      expect(report.top_by_type[type]?.map(({ bytes }) => bytes)).toEqual(sizes(ofType, 20));
    }
  });

  it('what is filled in later of the largest keys is in the report', () => {
    const tally = tallyOf([fact('a', { bytes: 5_000 }), fact('b')]);
    for (const key of tally.kept()) Object.assign(key, { encoding: 'raw', elements: 7 });
    expect(reportOf(tally).top_by_type.string?.[0]).toMatchObject({
      key: 'a',
      encoding: 'raw',
      elements: 7,
    });
    expect(tally.kept().size).toBe(2);
  });

  it('keys that are not UTF-8 are given in base64 too, others as text', () => {
    const binary = fact('', { key: '\xff\x00\x1b[2J', bytes: 900 });
    const { top } = reportOf(tallyOf([binary, fact('caf\u00e9 \u{1f600}')]));
    expect(top.map(({ key, key_base64 }) => [key, key_base64])).toEqual([
      ['\xff\x00\x1b[2J', Buffer.from('\xff\x00\x1b[2J', 'latin1').toString('base64')],
      ['caf\u00e9 \u{1f600}', undefined],
    ]);
  });
});

describe('several tallies', () => {
  const facts = estate(30_000, 8);

  it('merged are one', () => {
    const three = [0, 1, 2].map((part) =>
      tallyOf(
        facts.filter((_, at) => at % 3 === part),
        { server: 'one:6379' },
      ),
    );
    const { servers, ...merged } = reportOf(three);
    const { servers: _, ...one } = reportOf(tallyOf(facts));
    expect(merged).toEqual(one);
    expect(servers).toHaveLength(3);
    // And they are as they were.
    expect(reportOf(three).totals.keys).toBe(facts.length);
  });

  it('a checkpoint goes on to the same totals', () => {
    for (const nodes of [20_000, 200]) {
      const whole = tallyOf(facts, { nodes });
      const half = JSON.stringify(tallyOf(facts.slice(0, 15_000), { nodes }));
      const resumed = Tally.restore(JSON.parse(half), { nodes });
      expect(JSON.stringify(resumed) === half).toBe(true);
      for (const each of facts.slice(15_000)) resumed.add(each);
      expect(reportOf(resumed)).toEqual(reportOf(whole));
      expect(resumed.kept().size).toBe(whole.kept().size);
    }
  });
});
