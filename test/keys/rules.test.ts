import { describe, expect, it } from 'vitest';
import { parseKeyPattern } from '../../src/config/key-pattern.js';
import { configSchema } from '../../src/config/schema.js';
import { toBytes } from '../../src/keys/names.js';
import { rulesOf } from '../../src/keys/rules.js';
import { configured } from '../health/estate.js';

function rules(patterns: string[], prefix = 'app') {
  const list = patterns.map((match) => ({ match }));
  return rulesOf(configSchema.parse({ environment: 'prod', keys: { prefix, rules: list } }));
}

/** `rule` for a key that is as it should be, `rule: faults` for one that is not, '-' for none. */
function judge(patterns: string[], key: string, prefix?: string): string {
  const match = rules(patterns, prefix).match(toBytes(key));
  return match ? [match.rule.match, ...match.faults].join(' ') : '-';
}

describe('a key is held against a pattern', () => {
  it.each([
    ['{prefix}:{env}:{user}', 'app:prod:u', '{prefix}:{env}:{user}'],
    ['{prefix}:{env}:{user}', 'app:prod:u:more', '-'],
    ['{prefix}:{env}:{user_id}', 'app:prod:null', '{prefix}:{env}:{user_id} missing_user'],
    ['{prefix}:{env}:{path*}', 'app:prod:a:b:c', '{prefix}:{env}:{path*}'],
    ['{prefix}:{env}:{path*}', 'app:prod:', '-'],
    ['task-{id}', 'task-', '-'],
    ['task-{id}', 'task-1', 'task-{id}'],
    ['a.b:{id}', 'axb:1', '-'],
    ['f:{name}.json', 'f:v1.2.json', 'f:{name}.json'],
    ['{a}-{b}', '1-2-3', '{a}-{b}'],
    ['{a}-{b}-c', '1-2-3', '-'],
    ['größe:{id}', 'größe:1', 'größe:{id}'],
    ['{{{user}}}:s', '{u1}:s', '{{{user}}}:s'],
    ['{id}:{id}', 'a:b', '{id}:{id}'],
    ['{id}:x', 'a\nb:x', '{id}:x'],
  ])('%s and %j: %s', (pattern, key, expected) => {
    expect(judge([pattern], key)).toBe(expected);
  });

  it('its prefix may hold colons', () => {
    const pattern = '{prefix}:{env}:t:{user}';
    expect(judge([pattern], 'app:eu:prod:t:u', 'app:eu')).toBe(pattern);
    expect(judge([pattern], 'app:eu:dev:t:u', 'app:eu')).toBe(`${pattern} foreign_environment`);
    expect(judge([pattern], 'other:prod:t:u', 'app:eu')).toBe(`${pattern} foreign_prefix`);
  });

  it('a rule that fits counts before one that is missed, and of these the nearest', () => {
    const loose = '{prefix}:{env}:{kind}:{user}';
    const exact = '{other}:{env}:{kind}:{user}';
    expect(judge([loose, exact], 'x:prod:a:u')).toBe(exact);
    expect(judge(['{prefix}:{env}:a:{user}', '{env}:b:{user}'], 'dev:b:u')).toBe(
      '{env}:b:{user} foreign_environment',
    );
  });

  it('is quick about a name that is long', () => {
    const began = performance.now();
    expect(
      judge(['{a}-{b}-{c}:{user}:{path*}', '{prefix}:{env}:{user}'], 'x-'.repeat(50_000)),
    ).toBe('-');
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

describe('a pattern that cannot be right', () => {
  it.each([
    ['{prefix:{env}', '"{" stands alone; expected {name}, or {{ for itself'],
    ['a}', '"}" stands alone; expected {name}, or }} for itself'],
    ['a:{}', '"{}" is no placeholder; expected {name} of letters, digits and "_"'],
    ['a:{us er}', '"{us er}" is no placeholder; expected {name} of letters, digits and "_"'],
    ['{perfix}:a', '{perfix} is not known; did you mean {prefix}?'],
    ['a:{usr}', '{usr} is not known; did you mean {user}?'],
    ['{a}{b}', '{b} follows another one; expected ":" between'],
    ['a:{x*}:b', '{x*} must be the last part: it takes all that is left'],
    ['a:*', '"*" has no meaning here; expected {name} for a part, {name*} for the rest'],
  ])('%s: %s', (pattern, problem) => {
    expect(parseKeyPattern(pattern)).toEqual({ problem });
  });

  it('is told by config check with its place, like the other faults of a rule', async () => {
    const { run } = configured(`
redis: { main: redis://localhost }
keys:
  rules:
    - match: "{perfix}:{env}:x"
    - { match: "a:{id}", ttl: 24h, max_ttl: 2h }
    - { match: "a:{id}", max_sise: 10kb }
    - { match: "a:{id}", type: strng, ttl: soon }
`);
    const { code, stdout } = await run(['config', 'check', '--json']);
    expect(code).toBe(2);
    const { problems } = JSON.parse(stdout);
    expect(problems.map(({ path, line }: { path: string; line: number }) => [path, line])).toEqual([
      ['keys.rules.0.match', 5],
      ['keys.rules.1.max_ttl', 6],
      ['keys.rules.2.max_sise', 7],
      ['keys.rules.3.ttl', 8],
      ['keys.rules.3.type', 8],
    ]);
    expect(problems[1].message).toBe('expected a ttl of at most max_ttl');
    expect(problems[2].message).toContain('did you mean max_size?');
    const audit = await run(['keys', 'audit']);
    expect([audit.code, audit.stderr.includes('did you mean {prefix}?')]).toEqual([2, true]);
  });
});
