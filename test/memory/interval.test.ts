import { describe, expect, it } from 'vitest';
import type { ReportGroup } from '../../src/memory/report.js';
import { fact, groupsOf, letters, random, reportOf, tallyOf } from './keys.js';

const SAMPLED = { part: 1, of: 16 };

describe('what a sample says of the whole', () => {
  const next = random(11);
  const sizesOf = (count: number, spread: number) =>
    Array.from({ length: count }, () => Math.floor(60 + 40 * Math.exp(next() * spread)));
  const groups = {
    even: sizesOf(1_000, 0),
    usual: sizesOf(5_000, 3),
    skewed: sizesOf(20_000, 5),
  };

  it('holds the truth in about 95 of 100 samples, for groups of 1,000 keys and more', () => {
    const runs = 200;
    const hits = new Map<string, number>();
    const hit = (name: string) => hits.set(name, (hits.get(name) ?? 0) + 1);
    for (let run = 0; run < runs; run += 1) {
      const seen = Object.entries(groups).flatMap(([name, sizes]) =>
        sizes.filter(() => next() < 1 / 16).map((bytes) => fact(`${name}:x`, { bytes })),
      );
      const found = groupsOf(reportOf(tallyOf(seen), { sampled: SAMPLED }));
      for (const [name, sizes] of Object.entries(groups)) {
        const group = found.get(name) as ReportGroup;
        if (within(sizes.length, group.keys_between)) hit(`${name} keys`);
        const bytes = sizes.reduce((sum, size) => sum + size, 0);
        if (within(bytes, group.bytes_between)) hit(`${name} bytes`);
      }
    }
    expect(hits.size).toBe(6);
    for (const [name, count] of hits) {
      expect(count / runs, name).toBeGreaterThanOrEqual(0.91);
      // One that always holds it would say nothing.
      expect(count / runs, name).toBeLessThan(1);
    }
  });

  it('of a few big keys is "unknown", and never a number that is trusted', () => {
    const runs = 200;
    let held = 0;
    for (let run = 0; run < runs; run += 1) {
      const seen = sizesOf(60, 10)
        .filter(() => next() < 1 / 16)
        .map((bytes) => fact('big:x', { bytes }));
      const group = groupsOf(reportOf(tallyOf(seen), { sampled: SAMPLED })).get('big');
      expect(group?.bytes_between).toBeUndefined();
      if (!group || within(60, group.keys_between)) held += 1;
    }
    expect(held / runs).toBeGreaterThanOrEqual(0.93);
  });

  it('scales keys, bytes, and what never expires; parts do not add up to more than the whole', () => {
    const facts = Array.from({ length: 3_001 }, (_, n) =>
      fact(`a:${letters(n % 30)}:x`, { bytes: 100 + n, ttl_ms: n % 2 === 0 ? null : 1 }),
    );
    const report = reportOf(tallyOf(facts), { sampled: { part: 3, of: 16 } });
    expect(report.totals).toMatchObject({
      keys: Math.floor((3_001 * 16) / 3),
      no_ttl: Math.floor((1_501 * 16) / 3),
      max: 3_100,
    });
    const [a] = report.tree.children;
    const below = a?.children.reduce((sum, child) => sum + child.keys, 0) ?? 0;
    expect(below).toBeLessThanOrEqual(a?.keys ?? 0);
    expect(below).toBeGreaterThan((a?.keys ?? 0) - 30);
    expect(report.types[0]?.sampled).toBe(3_001);
  });

  it('of all keys has no interval', () => {
    expect(reportOf(tallyOf([fact('a')])).tree.keys_between).toBeUndefined();
  });
});

function within(truth: number, between: { low: number; high: number } | undefined): boolean {
  return between !== undefined && between.low <= truth && truth <= between.high;
}
