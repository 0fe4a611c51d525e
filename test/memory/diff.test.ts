import { describe, expect, it } from 'vitest';
import { diffReports, diffSchema } from '../../src/memory/diff.js';
import type { Report } from '../../src/memory/report.js';
import type { ReportMeta } from '../../src/memory/to-report.js';
import type { KeyFact } from '../../src/redis/key-fact.js';
import { fact, letters, random, reportOf, tallyOf } from './keys.js';

const many = (prefix: string, count: number, bytes = 100): KeyFact[] =>
  Array.from({ length: count }, (_, n) => fact(`${prefix}:${n}`, { bytes }));
const report = (facts: KeyFact[], over: Partial<ReportMeta> = {}): Report =>
  reportOf(tallyOf(facts), over);
const diff = (a: Report, b: Report) => diffSchema.parse(diffReports(a, b));
const brief = (changes: ReturnType<typeof diff>['groups']) =>
  changes.map(({ name, change, keys_change, bytes_change }) => [
    name,
    change,
    keys_change,
    bytes_change,
  ]);

describe('memory diff of two whole reports', () => {
  it('names what grew, shrank, is new and is gone, the largest change first, and nothing else', () => {
    const before = [
      ...many('grows', 200),
      ...many('shrinks', 300),
      ...many('goes', 50),
      ...many('stays', 9),
    ];
    const after = [
      ...many('grows', 900),
      ...many('shrinks', 100),
      ...many('comes', 60),
      ...many('stays', 9),
    ];
    const { groups, total, warnings } = diff(report(before), report(after));
    expect(brief(groups)).toEqual([
      ['grows:{id}', 'grown', 700, 70_000],
      ['shrinks:{id}', 'shrunk', -200, -20_000],
      ['comes:{id}', 'new', 60, 6_000],
      ['goes:{id}', 'gone', -50, -5_000],
    ]);
    expect(total).toMatchObject({
      change: 'grown',
      keys_before: 559,
      keys_after: 1_069,
      share_after: 1,
    });
    expect(groups[0]?.share_before).toBeCloseTo(200 / 559);
    expect(warnings).toEqual([]);
  });

  it('names bytes that grew though the keys did not', () => {
    const { groups } = diff(report(many('a', 100, 50)), report(many('a', 100, 80)));
    expect(brief(groups)).toEqual([['a:{id}', 'grown', 0, 3_000]]);
  });

  it('names a group above others when they grew together', () => {
    const [a, b] = [100, 200].map((count) => [...many('app:x', count), ...many('app:y', count)]);
    const { groups } = diff(report(a as KeyFact[]), report(b as KeyFact[]));
    expect(groups.map(({ name }) => name)).toEqual(['app', 'app:x:{id}', 'app:y:{id}']);
  });

  it('does not call names gone that have become ids', () => {
    const tenants = (count: number) =>
      Array.from({ length: count }, (_, n) => many(`t:${letters(n)}:job`, 3)).flat();
    const { groups } = diff(report(tenants(60)), report(tenants(80)));
    expect(brief(groups)).toEqual([['t:{id}:job:{id}', 'grown', 60, 6_000]]);
  });

  it('tells keys that grew from those that only came among the largest', () => {
    const small = many('s', 200, 1_000);
    const before = report([...small, fact('a', { bytes: 5_000 }), fact('b', { bytes: 9_000 })]);
    const after = report([...small, fact('a', { bytes: 8_000 }), fact('c', { bytes: 7_000 })]);
    const named = diff(before, after).keys.filter(({ name }) => !name.startsWith('s:'));
    expect(named.map(({ name, change, bytes_change }) => [name, change, bytes_change])).toEqual([
      ['b', 'left', null],
      ['c', 'entered', null],
      ['a', 'grown', 3_000],
    ]);
  });

  it('calls a key new where all keys are listed', () => {
    const { keys } = diff(report([fact('a')]), report([fact('a'), fact('b')]));
    expect(keys.map(({ name, change }) => [name, change])).toEqual([['b', 'new']]);
  });

  it('of a report with itself is empty', () => {
    const one = report(many('a', 100));
    expect(diff(one, one)).toMatchObject({
      groups: [],
      types: [],
      keys: [],
      total: { change: 'same' },
    });
  });

  it('warns of other filters, targets, sizes and a wrong order', () => {
    const filter = { match: 'a*', type: null, db: null, over: null };
    const later = { at: '2026-02-01T00:00:00.000Z' };
    const { warnings } = diff(
      report(many('a', 9), later),
      report(many('a', 9), { filter, target: 'other', sizes_by: 'exact' }),
    );
    expect(warnings.join('\n')).toMatch(
      /DIFFERENT FILTERS[\s\S]*main and other[\s\S]*different ways[\s\S]*older/,
    );
  });
});

describe('memory diff of reports that are not whole', () => {
  it('is loud about a partial one, and what it lacks is not gone', () => {
    const partial = report(many('b', 200), { partial: 'interrupted' });
    const { warnings, groups, total } = diff(
      report([...many('a', 100), ...many('b', 100)]),
      partial,
    );
    expect(warnings[0]).toMatch(/later report is PARTIAL \(interrupted\)/);
    expect(groups.map(({ name, change }) => [name, change])).toEqual([
      ['a:{id}', 'unclear'],
      ['b:{id}', 'grown'],
    ]);
    expect(total.change).toBe('same');
  });

  it('calls growth what is beyond the interval of a sample only', () => {
    const next = random(3);
    const sample = (facts: KeyFact[]) =>
      report(
        facts.filter(() => next() < 1 / 16),
        { sampled: { part: 1, of: 16 } },
      );
    const before = report([...many('same', 10_000), ...many('twice', 10_000), ...many('rare', 60)]);
    const after = sample([...many('same', 10_000), ...many('twice', 20_000), ...many('rare', 600)]);
    const changes = new Map(diff(before, after).groups.map(({ name, change }) => [name, change]));
    expect(changes.get('twice:{id}')).toBe('grown');
    expect(changes.get('same:{id}')).toBe('unclear');
    expect(diff(before, after).warnings[0]).toMatch(/later report is a SAMPLE of 1\/16/);
    expect(diff(before, after).keys).toEqual([]);
  });
});
