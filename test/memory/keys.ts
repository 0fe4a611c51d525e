import { createHash } from 'node:crypto';
import type { Report, ReportGroup } from '../../src/memory/report.js';
import { Tally } from '../../src/memory/tally/tally.js';
import { type ReportMeta, toReport } from '../../src/memory/to-report.js';
import type { KeyFact } from '../../src/redis/key-fact.js';

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const next = random(seed);
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = Math.floor(next() * (at + 1));
    [mixed[at], mixed[other]] = [mixed[other] as T, mixed[at] as T];
  }
  return mixed;
}

export const md5 = (text: string | number): string =>
  createHash('md5').update(String(text)).digest('hex');

/** `key` as text; its bytes are what Redis would have. */
export function fact(key: string, over: Partial<KeyFact> = {}): KeyFact {
  return {
    db: 0,
    key: Buffer.from(key, 'utf8').toString('latin1'),
    type: 'string',
    bytes: 100,
    ttl_ms: null,
    encoding: null,
    elements: null,
    idle_s: null,
    frequency: null,
    ...over,
  };
}

export function tallyOf(
  facts: Iterable<KeyFact>,
  over: { server?: string; nodes?: number } = {},
): Tally {
  const tally = new Tally({ server: 'one:6379', ...over });
  // As a producer does it: one object for all keys.
  const reused = fact('');
  for (const each of facts) tally.add(Object.assign(reused, each));
  return tally;
}

export function reportOf(
  tallies: Tally | readonly Tally[],
  over: Partial<ReportMeta> = {},
): Report {
  return toReport(tallies instanceof Tally ? [tallies] : tallies, {
    id: '20260105-093000000-main-0000',
    at: '2026-01-05T09:30:00.000Z',
    took_ms: 1_000,
    target: 'main',
    source: 'live',
    sizes_by: 'samples',
    samples: 2_000,
    sampled: null,
    filter: { match: null, type: null, db: null, over: null },
    partial: null,
    servers: new Map(),
    vanished: 0,
    unreadable: 0,
    ...over,
  });
}

/** Every group below the root, by its pattern. */
export function groupsOf(report: Report): Map<string, ReportGroup> {
  const groups = new Map<string, ReportGroup>();
  const visit = (group: ReportGroup): void => {
    for (const child of group.children) {
      if (groups.has(child.pattern)) throw new Error(`twice: ${child.pattern}`);
      groups.set(child.pattern, child);
      visit(child);
    }
  };
  visit(report.tree);
  return groups;
}

/** The patterns that keys end at. */
export function patternsOf(keys: readonly string[]): string[] {
  const groups = groupsOf(reportOf(tallyOf(keys.map((key) => fact(key)))));
  return [...groups.values()]
    .filter(({ children }) => children.length === 0)
    .map(({ pattern }) => pattern)
    .sort();
}

const NAMES =
  'session config asl llm pdf bull mail report chat task user item cart page view'.split(' ');

/** Numbers as words of letters only. */
export function letters(n: number): string {
  const word = String.fromCharCode(97 + (n % 26));
  return n < 26 ? `q${word}` : letters(Math.floor(n / 26) - 1) + word;
}

/** A key is there once. */
function unique(size: number, make: () => KeyFact): KeyFact[] {
  const facts = new Map<string, KeyFact>();
  while (facts.size < size) {
    const made = make();
    facts.set(`${made.db} ${made.key}`, made);
  }
  return [...facts.values()];
}

/** Keys as applications have them: caches, queues, sessions, and a thousand tenants. */
export function estate(size: number, seed: number): KeyFact[] {
  const next = random(seed);
  let n = 0;
  const shapes: (() => string)[] = [
    () => `asl:llm:${md5(n)}`,
    () => `bull:mail:${n}`,
    () => `bull:mail:${n}:logs`,
    () => `dc:health:${md5(n)}`,
    () => `langextract:prod:chat:search:user${n % 500}:${n}`,
    () => `tenant:${letters(Math.floor(next() * 1_000))}:order:${n}`,
    () => `session:${letters(n)}`,
    () => `celery-task-meta-${crypto.randomUUID()}`,
  ];
  return Array.from({ length: size }, () => {
    n += 1;
    const shape = shapes[Math.floor(next() * shapes.length)] as () => string;
    const bytes = Math.floor(60 + 20 * Math.exp(next() * 8));
    return fact(shape(), {
      bytes,
      type: n % 3 === 0 ? 'hash' : 'string',
      ttl_ms: n % 4 === 0 ? null : n * 9_000,
    });
  });
}

/** Keys of all shapes, types, sizes and times to live. */
export function corpus(size: number, seed: number): KeyFact[] {
  const next = random(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T;
  const part = (): string =>
    pick([
      () => pick(NAMES),
      () => pick(NAMES),
      () => String(Math.floor(next() * 1e6)),
      () => md5(next()),
      () => `${pick(NAMES)}-${Math.floor(next() * 300)}`,
      () => Math.floor(next() * 2e9).toString(36),
      () => '',
      () => '\u00e9t\u00e9',
    ])();
  return unique(size, () => {
    const parts = Array.from({ length: 1 + Math.floor(next() * 5) }, part);
    return fact(parts.join(pick([':', ':', ':', '/', '.'])), {
      db: Math.floor(next() * 3),
      type: pick(['string', 'hash', 'zset', 'ReJSON-RL']),
      bytes: Math.floor(50 * Math.exp(next() * 12)),
      ttl_ms: next() < 0.4 ? null : Math.floor(next() * 1e10),
    });
  });
}
