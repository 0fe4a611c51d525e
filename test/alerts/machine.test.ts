import { describe, expect, it } from 'vitest';
import type { Judgement } from '../../src/alerts/judgement.js';
import { advance } from '../../src/alerts/machine.js';
import type { Standing } from '../../src/alerts/state.js';
import { levelOf } from '../../src/health/rule.js';

const MINUTE = 60_000;
const BOUNDS = { worse: 'above', warn: 80, critical: 90, clear: 75 } as const;
const SUBJECT = { name: 'redis:main', group: 'redis:main' };

/** How an alert goes through these values, one a minute: a letter for its state, capital for critical. */
function walk(values: (number | null | 'n/a')[], times: { for?: number; keep?: number } = {}) {
  const rule = { name: 'memory', action: '', for: 0, keep: 0, ...times };
  let standing: Standing | undefined;
  return values
    .map((value, minute) => {
      const judgement: Judgement =
        value === 'n/a'
          ? { applies: false }
          : value === null
            ? { applies: true, value, severity: null, held: false, summary: 'gone' }
            : { applies: true, value, summary: '', ...levelOf(BOUNDS, value, standing?.level) };
      standing = advance(standing, rule, SUBJECT, judgement, minute * MINUTE);
      const letter = standing ? standing.phase.slice(0, 1) : '.';
      return standing?.phase === 'firing' && standing.severity === 'critical'
        ? letter.toUpperCase()
        : letter;
    })
    .join('');
}

// p pending, f firing as a warning, F firing as critical, r resolved, u unknown, . inactive
describe('the states of an alert', () => {
  it.each<[string, Parameters<typeof walk>, string]>([
    ['fires and resolves', [[70, 81, 70, 70]], '.fr.'],
    [
      'is not moved by a value that goes to and fro over its limit',
      [[79, 81, 79, 81, 79]],
      '.ffff',
    ],
    ['resolves at the clear threshold, not above it', [[81, 76, 75]], 'ffr'],
    ['waits for its time', [[81, 81, 81, 81], { for: 2 * MINUTE }], 'ppff'],
    ['forgets what ended before its time', [[81, 70, 81, 81], { for: 2 * MINUTE }], 'p.pp'],
    ['is not begun by a value that only comes near', [[79, 79]], '..'],
    [
      'flaps into firing within its time, but fires on a bad value only',
      [[81, 79, 79, 81], { for: 2 * MINUTE }],
      'pppf',
    ],
    ['stays until it has been good long enough', [[81, 70, 70, 70], { keep: 2 * MINUTE }], 'fffr'],
    ['is bad anew within that', [[81, 70, 81, 70, 70], { keep: 2 * MINUTE }], 'fffff'],
    ['becomes critical at once without a time', [[81, 91, 91]], 'fFF'],
    ['becomes critical when that has lasted', [[81, 91, 91, 91], { for: 2 * MINUTE }], 'ppfF'],
    ['is critical from the start when all of it was', [[91, 91, 91], { for: 2 * MINUTE }], 'ppF'],
    ['stays critical near the limit', [[91, 89, 85, 81]], 'FFff'],
    ['calls unknown what cannot be had', [[null, 70, null]], 'u.u'],
    ['fires on though nothing is known', [[81, null, null, 70]], 'fffr'],
    ['does not count unknown as good', [[81, 70, null, 70], { keep: 2 * MINUTE }], 'ffff'],
    ['waits on though nothing is known', [[81, null, 81], { for: 2 * MINUTE }], 'ppf'],
    ['does not fire on what is unknown', [[81, null, null, null], { for: 2 * MINUTE }], 'pppp'],
    ['ends where the rule does not apply any more', [[81, 'n/a', 'n/a']], 'fr.'],
  ])('%s', (_, args, expected) => {
    expect(walk(...args)).toBe(expected);
  });

  it('judges what is bad below its limit the same way', () => {
    const bounds = { worse: 'below', warn: 0.5, critical: 0.2, clear: 0.55 } as const;
    const levels = [
      levelOf(bounds, 0.5),
      levelOf(bounds, 0.49),
      levelOf(bounds, 0.54, 'warn'),
      levelOf(bounds, 0.56, 'warn'),
      levelOf(bounds, 0.19),
      levelOf(bounds, 0.24, 'critical'),
      levelOf(bounds, 0.26, 'critical'),
    ].map(({ severity }) => severity);
    expect(levels).toEqual([null, 'warn', 'warn', null, 'critical', 'critical', 'warn']);
  });
});
