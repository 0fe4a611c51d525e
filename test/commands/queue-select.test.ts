import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addSelection, patternFrom, selectionFrom } from '../../src/commands/queue/select.js';
import { CacheOpsError } from '../../src/errors.js';
import { isEmpty, matches } from '../../src/queues/filter.js';
import type { Job } from '../../src/queues/job.js';

const NOW = 1_700_000_000_000;

/** The filter that a command line means. */
function filter(...argv: string[]) {
  const command = addSelection(new Command().exitOverride()).argument('[id...]');
  command.parse(argv, { from: 'user' });
  return selectionFrom(command.opts(), NOW, command.args);
}

const job = (data: unknown) =>
  ({
    id: '1',
    name: 'n',
    state: 'failed',
    data,
    error: 'x',
    finished_at: NOW,
    created_at: 0,
  }) as Job;

describe('flags that choose jobs', () => {
  it('mean every job when none is given', () => {
    expect(filter()).toEqual({ states: [] });
    expect(isEmpty(filter())).toBe(true);
  });

  it('may be repeated or given with commas', () => {
    const twice = filter('--state', 'failed, active', '--state', 'failed', '7', '7', '8');
    expect(twice).toEqual({ ids: ['7', '8'], states: ['failed', 'active'] });
  });

  it('reckon ages from now', () => {
    expect(filter('--older-than', '1h', '--newer-than', '2d')).toMatchObject({
      before: NOW - 3_600_000,
      after: NOW - 172_800_000,
    });
  });

  it.each([
    ['user.id=7', { user: { id: 7 } }, true],
    ['user.id=7', { user: { id: '7' } }, true],
    ['user.id=7', { 'user.id': 7 }, false],
    ['user\\.id=7', { 'user.id': 7 }, true],
    ['items.1.sku=b=c', { items: [{}, { sku: 'b=c' }] }, true],
    ['gone=', { gone: '' }, true],
    ['gone=', {}, false],
    ['toString=', {}, false],
    ['a=1', null, false],
  ])('%s of %j: %s', (text, data, expected) => {
    expect(matches(job(data), filter('--data', text))).toBe(expected);
  });

  it.each([
    ['/etimedout/i', 'ETIMEDOUT', true],
    ['/^a.b$/', 'axb', true],
    ['a.b', 'axb', false],
    ['(a.b', 'x (a.b', true],
    ['/\\/path\\/to/', '/path/to/x', true],
    ['a/b', 'a/b', true],
    ['[x-y]', 'z', false],
  ])('%s on "%s": %s', (pattern, message, expected) => {
    expect(patternFrom(pattern).test(message)).toBe(expected);
  });

  it('find every job, not every second one, with the flag g', () => {
    const pattern = patternFrom('/x/g');
    expect([pattern.test('x'), pattern.test('x')]).toEqual([true, true]);
  });

  it.each([
    [['--error', '/(/'], /^--error: Invalid regular expression/],
    [['--error', '/x/zz'], /^--error: Invalid flags/],
    [['--error', '/path/to'], /^--error: Invalid flags/],
    [['--error', '/path'], /^--error: Invalid regular expression/],
    [['--error', ''], /^--error: the text is empty/],
    [['--state', 'fialed'], /"fialed" is not a state/],
    [['--state', ''], /"" is not a state/],
    [['--data', 'user'], /"user" has no path and value/],
    [['--data', '=7'], /"=7" has no path and value/],
    [['--older-than', 'yesterday'], /^--older-than: "yesterday" is not a duration/],
  ])('%j is refused in one line', (argv, message) => {
    expect(() => filter(...argv)).toThrow(CacheOpsError);
    expect(() => filter(...argv)).toThrow(message);
    expect(() => filter(...argv)).not.toThrow(/\n/);
  });
});
