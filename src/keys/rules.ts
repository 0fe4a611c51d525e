import { type PatternPart, parseKeyPattern } from '../config/key-pattern.js';
import type { Config } from '../config/load.js';
import type { KeyRule } from '../config/schema.js';
import { toBytes } from './names.js';

/** What may be wrong with a key's name under a rule that it is meant for. */
type NameFault = 'missing_user' | 'foreign_environment' | 'foreign_prefix';

export interface RuleMatch {
  rule: KeyRule;
  /** None: the key is as the rule wants it. */
  faults: NameFault[];
}

export interface Rules {
  /** The configuration has none: these are the estate's own. */
  built_in: boolean;
  list: readonly KeyRule[];
  /** The rule of a key (bytes); undefined for a key that fits none. */
  match(key: string): RuleMatch | undefined;
}

const HOUR = 3_600_000;
const rule = (match: string, more: Partial<KeyRule> = {}): KeyRule => ({
  match,
  ttl_required: true,
  ...more,
});
const chat = { ttl: 2 * HOUR, max_ttl: 6 * HOUR, max_messages: 40 };

/** What the applications of the estate keep in Redis, and for how long. */
const BUILT_IN: readonly KeyRule[] = [
  rule('{prefix}:{env}:task:import:{user}:{task}', { ttl: 24 * HOUR, max_ttl: 48 * HOUR }),
  rule('{prefix}:{env}:chat:generate:{user}:{task}', chat),
  rule('{prefix}:{env}:chat:optimize:{user}:{task}', chat),
  rule('{prefix}:{env}:chat:search:{user}:{task}', chat),
  rule('asl:llm:{hash}', { ttl: HOUR }),
  rule('asl:pdf:{file}'),
  rule('dc:health:{file}', { ttl: 24 * HOUR }),
  rule('dc:extraction:{record}'),
  rule('session:{user}'),
  rule('config:{key*}'),
];

/** A name beyond this is nobody's idea of a key, and would fill the stack of the regular expressions. */
const LONGEST = 64 * 1024;

/** The rules of the configuration, or the estate's own where it has none. */
export function rulesOf({ keys, environment }: Pick<Config, 'keys' | 'environment'>): Rules {
  const list = keys.rules.length > 0 ? keys.rules : BUILT_IN;
  const own = { prefix: toBytes(keys.prefix), env: toBytes(keys.environment ?? environment) };
  const compiled = list.map((one) => compile(one, own));
  return {
    built_in: keys.rules.length === 0,
    list,
    match(key) {
      if (key.length > LONGEST) return undefined;
      const exact = compiled.find(({ strict }) => strict.test(key));
      if (exact) return { rule: exact.rule, faults: nobody(exact.strict.exec(key)) };
      return nearest(compiled, key, own);
    },
  };
}

interface Own {
  prefix: string;
  env: string;
}

interface Compiled {
  rule: KeyRule;
  has_user: boolean;
  strict: RegExp;
  /** Any prefix, environment and user; and where the rule has a user, the same without it. */
  loose: RegExp[];
}

/** The rule that a key misses by least, the first one of several. */
function nearest(compiled: readonly Compiled[], key: string, own: Own): RuleMatch | undefined {
  let best: RuleMatch | undefined;
  for (const { rule, has_user, loose } of compiled) {
    for (const expression of loose) {
      const found = expression.exec(key);
      if (!found) continue;
      const { prefix = own.prefix, env = own.env, user } = found.groups ?? {};
      const faults: NameFault[] = [
        ...(prefix === own.prefix ? [] : (['foreign_prefix'] as const)),
        ...(env === own.env ? [] : (['foreign_environment'] as const)),
        ...(has_user && isNobody(user) ? (['missing_user'] as const) : []),
      ];
      if (!best || faults.length < best.faults.length) best = { rule, faults };
    }
  }
  return best;
}

function nobody(found: RegExpExecArray | null): NameFault[] {
  const user = found?.groups?.user;
  return user !== undefined && isNobody(user) ? ['missing_user'] : [];
}

/** What languages make of a user that is not there, when they put it into text. */
function isNobody(user: string | undefined): boolean {
  return user === undefined || /^(undefined|null|none|nil|nan|)$/i.test(user);
}

function compile(rule: KeyRule, own: Own): Compiled {
  const parts = partsOf(rule.match);
  const user = parts.findIndex((part) => 'name' in part && part.meaning === 'user');
  const loose = [expression(parts, own, true)];
  if (user >= 0) loose.push(expression(withoutPart(parts, user), own, true));
  return { rule, has_user: user >= 0, strict: expression(parts, own, false), loose };
}

/** The configuration has been checked: what cannot be read is not here. */
function partsOf(match: string): PatternPart[] {
  const parts = parseKeyPattern(match);
  if ('problem' in parts) throw new Error(parts.problem);
  return parts;
}

/** Without a placeholder and the colon that parted it from its neighbour. */
function withoutPart(parts: readonly PatternPart[], index: number): PatternPart[] {
  const before = parts[index - 1];
  const after = parts[index + 1];
  const rest = parts.toSpliced(index, 1);
  if (after && 'text' in after && after.text.startsWith(':')) {
    return rest.with(index, { text: after.text.slice(1) });
  }
  if (before && 'text' in before && before.text.endsWith(':')) {
    return rest.with(index - 1, { text: before.text.slice(0, -1) });
  }
  return rest;
}

/** `loose`: any prefix and environment, and a user that may be empty. */
function expression(parts: readonly PatternPart[], own: Own, loose: boolean): RegExp {
  const seen = new Set<string>();
  const source = parts.map((part, index) => {
    if ('text' in part) return literally(toBytes(part.text));
    const { meaning, rest } = part;
    const any = rest ? '[^]+' : `${oneBefore(parts[index + 1])}${meaning && loose ? '*' : '+'}`;
    if (!meaning) return any;
    // Its own prefix may hold colons, another one may not: nothing would tell where it ends.
    const fixed = meaning === 'user' ? undefined : literally(own[meaning]);
    const accepted = fixed === undefined ? any : loose ? `${fixed}|${any}` : fixed;
    if (seen.has(meaning)) return `(?:${accepted})`;
    seen.add(meaning);
    return `(?<${meaning}>${accepted})`;
  });
  return new RegExp(`^${source.join('')}$`);
}

/**
 * A byte of a placeholder's text. It ends where the text that follows it first occurs: with one way
 * only to read a name there is nothing to go back to, and a long name costs no more than its length.
 */
function oneBefore(next: PatternPart | undefined): string {
  if (!next || !('text' in next) || next.text.startsWith(':')) return '[^:]';
  return `(?:(?!${literally(toBytes(next.text))})[^:])`;
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
