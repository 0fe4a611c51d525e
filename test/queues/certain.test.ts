import { describe, expect, it } from 'vitest';
import { certainText } from '../../src/queues/certain.js';

describe('the text that everything a pattern matches has in it', () => {
  it.each([
    [/ETIMEDOUT/, 'ETIMEDOUT'],
    [/connect ETIMEDOUT 10\.0\.\d+/, 'connect ETIMEDOUT 10.0.'],
    [/^429 Too Many/, '429 Too Many'],
    [/ETIMEDOUT.*retry later$/, 'retry later'],
    [/https?:\/\/api/, '://api'],
    [/goo+gle/, 'goo'],
    [/colou?r/, 'colo'],
    [/refused*/, 'refuse'],
    [/a+?bc/s, 'bc'],
    [/ETIMEDOUT/u, 'ETIMEDOUT'],
  ])('of %s is "%s"', (pattern, text) => {
    expect(certainText(pattern)).toBe(text);
  });

  it.each([
    /ETIMEDOUT|reset/,
    /(ETIMEDOUT)?/,
    /ETIMEDOUT/i,
    /[E]TIMEDOUT/,
    /a{0}bcd/,
    /\x41BCD/,
    /\u0041BCD/,
    /ünreachable/,
    /\d+/,
    /(?:)/,
  ])('of %s is not certain', (pattern) => {
    expect(certainText(pattern)).toBe('');
  });

  it('is in whatever a pattern of any shape matches', () => {
    // A generator of its own, so that a failure can be seen again.
    let state = 20_261_124;
    const below = (limit: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    const one = (of: readonly string[]) => of[below(of.length)] ?? '';
    const some = (of: readonly string[], most: number) =>
      Array.from({ length: below(most + 1) }, () => one(of)).join('');
    const PARTS = ['a', 'b', 'A', ' ', '.', '^', '$', '\\.', '\\d', '\\w', '\\b', '1', 'ü'].concat([
      'a',
      'b',
      '(a|b)',
      '(?:ab)',
      '[ab]',
      '|',
      '\\x61',
      '-',
      '"',
      '(?=a)',
      '(?!b)',
    ]);
    const COUNTS = ['', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{0,1}'];
    let tried = 0;
    let certain = 0;
    while (tried < 20_000) {
      const source = Array.from({ length: 1 + below(5) }, () => one(PARTS) + one(COUNTS)).join('');
      let pattern: RegExp;
      try {
        pattern = new RegExp(source, one(['', '', 'i', 's', 'm', 'u']));
      } catch {
        continue;
      }
      const text = certainText(pattern);
      if (text !== '') certain += 1;
      for (let round = 0; round < 8; round += 1) {
        const message = some(['a', 'b', 'A', 'ab', ' ', '.', '1', 'ü', '-', '"', '\n'], 8);
        if (pattern.test(message) && !message.includes(text))
          expect.fail(`${pattern} matches ${JSON.stringify(message)}, which has no "${text}"`);
      }
      tried += 1;
    }
    expect(certain).toBeGreaterThan(2_000);
  });
});
