import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/alerts/expression.js';
import type { MetricName } from '../../src/health/metrics.js';

const VALUES: Partial<Record<MetricName, number>> = {
  'memory.used_ratio': 0.75,
  'memory.used_bytes': 300 * 1024 ** 2,
  'clients.connected': 12,
  'latency.p95_ms': 60,
  'evictions.keys': 0,
};

/** Metrics that have no value here are unknown. */
const holds = (text: string) => parseExpression(text).holds((name) => VALUES[name] ?? null);

describe('a condition', () => {
  it.each<[string, boolean | null]>([
    ['memory.used_ratio > 0.7', true],
    ['memory.used_ratio > 70%', true],
    ['memory.used_ratio>80 %', false],
    ['memory.used_ratio > 0.7 and clients.connected > 10', true],
    ['memory.used_ratio > 0.7 and clients.connected > 12', false],
    ['memory.used_ratio > 0.8 or clients.connected >= 12', true],
    ['clients.connected == 12 AND NOT memory.used_ratio > 0.8', true],
    ['not (memory.used_ratio > 0.7 or clients.connected > 100)', false],
    // "and" binds more than "or".
    ['clients.connected > 1 or clients.connected > 100 and clients.connected > 200', true],
    ['(clients.connected > 1 or clients.connected > 100) and clients.connected > 200', false],
    ['memory.used_bytes > 256mb', true],
    ['memory.used_bytes / clients.connected > 20mb', true],
    ['latency.p95_ms < 0.1s', true],
    ['2 + 3 * 4 == clients.connected + 2', true],
    ['(2 + 3) * 4 == clients.connected + 8', true],
    ['-clients.connected < 0', true],
    ['clients.connected - 2 - 3 == 7', true],
    // Unknown, unless the rest decides.
    ['hits.ratio < 0.5', null],
    ['hits.ratio < 0.5 or clients.connected > 10', true],
    ['hits.ratio < 0.5 and clients.connected > 100', false],
    ['hits.ratio < 0.5 and clients.connected > 10', null],
    ['not hits.ratio < 0.5', null],
    ['clients.connected / evictions.keys > 1', null],
  ])('%s', (text, expected) => {
    expect(holds(text)).toBe(expected);
  });

  it.each([
    ['', 'column 1: expected a number or a metric, found the end'],
    ['memory.used_ratio >', 'column 20: expected a number or a metric, found the end'],
    ['memory.used_ratio', 'column 18: expected a comparison such as "> 0.7", found the end'],
    ['memory.used_ratio > > 1', 'column 21: expected a number or a metric, found ">"'],
    [
      'memory.used_ratio > 0.7 clients.connected > 1',
      'column 25: expected "and", "or" or the end, found "clients.connected"',
    ],
    ['(memory.used_ratio > 0.7', 'column 25: expected ")", found the end'],
    [
      'memory.used_ratio > 5parsecs',
      'column 21: expected a unit such as %, ms, s, m, h, kb or mb, found "5parsecs"',
    ],
    ['memory.used_ratio & 1', 'column 19: "&" has no meaning here'],
    [
      'memory.used_ration > 1',
      'column 1: there is no metric "memory.used_ration" (did you mean memory.used_ratio?)',
    ],
    [
      'clients.connected > 1 and clints.connected > 1',
      'column 27: there is no metric "clints.connected" (did you mean clients.connected?)',
    ],
    [
      '(memory.used_ratio > 1) + 2 > 1',
      'column 1: expected a number or a metric, found "(memory.used_ratio > 1)"',
    ],
    ['1 > 0', 'names no metric: it would always be the same'],
    [
      'memory.used_ratio > 1 or queue.waiting > 1',
      'memory.used_ratio is of a redis and queue.waiting of a queue: expected one kind',
    ],
    [`clients.connected > ${'1'.repeat(1_000)}`, 'is longer than 1000 characters'],
    ['constructor.constructor > 1', 'column 1: there is no metric "constructor.constructor"'],
    ['process.exit()', 'column 1: there is no metric "process.exit"'],
  ])('%s is refused with its place', (text, message) => {
    expect(() => parseExpression(text)).toThrow(message);
  });
});
