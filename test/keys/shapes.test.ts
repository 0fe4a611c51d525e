import { describe, expect, it } from 'vitest';
import { hasWildcard, literalOf, meansAll } from '../../src/keys/pattern.js';
import { Shapes, shapeOf } from '../../src/keys/shapes.js';

describe('the shape of a name', () => {
  it.each([
    ['asl:llm:0123456789abcdef', 'asl:llm:{id}'],
    ['session:4711:cart', 'session:{id}:cart'],
    ['u:6f1c2d3e-1111-2222-3333-444455556666', 'u:{id}'],
    ['user:alice', 'user:alice'],
    ['user:alice@example.com', 'user:{id}'],
    ['token:V1StGXR8_Z5jdHi6B', 'token:{id}'],
    [Array(100).fill('level').join(':'), `${Array(8).fill('level').join(':')}:...`],
    ['x'.repeat(1_000_000), '{id}'],
    ['order:user_4711', 'order:user_{id}'],
    ['k:\xff', 'k:\xff'],
    ['k:\x1b', 'k:{id}'],
  ])('%.40j is %.60j', (key, shape) => {
    expect(shapeOf(key)).toBe(shape);
  });

  it('groups stay few and lose no key, whatever the names', () => {
    const shapes = new Shapes(50);
    for (let at = 0; at < 20_000; at += 1) {
      const word = at.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] ?? '');
      shapes.add(at % 3 === 0 ? `a:${word}` : at % 3 === 1 ? `b:${word}:c` : word, 2);
    }
    const list = shapes.list();
    expect(list.length).toBeLessThanOrEqual(50);
    expect(list.reduce((sum, { keys }) => sum + keys, 0)).toBe(20_000);
    expect(list.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0)).toBe(40_000);
  });

  it('merges where names differ most, and keeps the others apart', () => {
    const shapes = new Shapes(20);
    shapes.add('few:a', null);
    for (const word of 'abcdefghijklmnopqrstuvwxyz') shapes.add(`many:${word}`, null);
    expect(shapes.list().map(({ pattern, keys }) => [pattern, keys])).toEqual([
      ['many:*', 26],
      ['few:a', 1],
    ]);
  });
});

describe('a glob', () => {
  it.each([
    ['a*', true],
    ['a?', true],
    ['a[bc]', true],
    ['a\\*b', false],
    ['a', false],
    ['a\\\\*', true],
  ])('%s has a wildcard: %s', (pattern, expected) => {
    expect(hasWildcard(pattern)).toBe(expected);
  });

  it('without one means a name', () => {
    expect(literalOf('a\\*\\\\b')).toBe('a*\\b');
  });

  it.each([
    ['', true],
    ['*', true],
    ['***', true],
    ['?*', true],
    ['*?*', true],
    ['?', false],
    ['a*', false],
    ['[a-z]*', false],
  ])('%j means every key: %s', (pattern, expected) => {
    expect(meansAll(pattern)).toBe(expected);
  });
});
