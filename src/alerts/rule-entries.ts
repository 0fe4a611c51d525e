import { basename } from 'node:path';
import { type RuleEntry, ruleSchema } from '../config/alert-rules.js';
import type { Config } from '../config/load.js';
import { nearest } from '../config/nearest.js';
import { issueMessage, type Problem, problemsOf } from '../config/problems.js';
import { METRICS, type Unit } from '../health/metrics.js';
import type { Bounds, Rule, Severity } from '../health/rule.js';
import type { BuiltIn } from './built-in.js';
import { type Expression, ExpressionError, parseExpression, quantity } from './expression.js';

/** An entry of `alerts.rules`, understood. A level that is null is switched off. */
export interface Entry {
  /** The built-in rule that it changes. */
  rule?: string;
  own?: { name: string; expression: Expression; severity: Severity };
  warn?: number | null;
  critical?: number | null;
  clear?: number | null;
  for?: number;
  keep?: number;
  action?: string;
  off?: boolean;
  targets?: readonly string[];
  only?: readonly string[];
  /** Where it stands: `cache-ops.yaml alerts.rules.0`. */
  from: string;
}

type Site = Pick<Config, 'alerts' | 'file' | 'redis' | 'postgres' | 'applications'>;

/** The entries that make sense, in their order, and what is wrong with the others. */
export function readEntries(
  config: Site,
  builtIn: readonly BuiltIn[],
): { entries: Entry[]; problems: Problem[] } {
  const entries: Entry[] = [];
  const problems: Problem[] = [];
  for (const [index, raw] of (config.alerts?.rules ?? []).entries()) {
    const path = ['alerts', 'rules', index];
    const parsed = ruleSchema.safeParse(raw, { error: issueMessage });
    const say = (key: string, message: string, hint?: string) =>
      found.push({ path: [...path, key], message, ...(hint && { hint }) });
    const found: Problem[] = problemsOf(parsed.error?.issues ?? [], path);
    if (parsed.data) {
      const entry = understood(parsed.data, config, builtIn, say);
      const twice = entries.some(({ own }) => own && own.name === entry.own?.name);
      if (twice) say('name', `"${entry.own?.name}" is there twice`);
      if (found.length === 0)
        entries.push({ ...entry, from: `${source(config)} alerts.rules.${index}` });
    }
    problems.push(...found);
  }
  return { entries, problems };
}

const source = ({ file }: Site) => (file === undefined ? 'the environment' : basename(file));

type Say = (key: string, message: string, hint?: string) => void;

function understood(
  raw: RuleEntry,
  config: Site,
  builtIn: readonly BuiltIn[],
  say: Say,
): Omit<Entry, 'from'> {
  for (const key of ['targets', 'only'] as const)
    for (const target of raw[key] ?? []) checkTarget(target, key, config, say);
  const { rule, name, when, severity = 'warn', off, action, targets, only } = raw;
  const common = {
    ...(raw.for !== undefined && { for: raw.for }),
    ...(raw.keep !== undefined && { keep: raw.keep }),
    ...(off !== undefined && { off }),
    ...(action !== undefined && { action }),
    ...(targets && { targets }),
    ...(only && { only }),
  };
  const names = [...new Set(builtIn.map((known) => known.name))];
  if (rule === undefined) {
    if (name !== undefined && names.includes(name))
      say('name', `"${name}" is built in`, `to change it: rule: ${name}`);
    const expression = expressionIn(when ?? '', say);
    return { ...common, ...(expression && { own: { name: name ?? '', expression, severity } }) };
  }
  const known = builtIn.filter((candidate) => candidate.name === rule);
  const [first] = known;
  if (!first) {
    say('rule', `no rule is named "${rule}" (${nearest(rule, names)})`);
    return common;
  }
  const unit: Unit = first.metric ? METRICS[first.metric].unit : 'flag';
  const limits = limitsIn(raw, unit, say);
  const bounds = withLimits(first, limits);
  if (
    bounds.warn !== null &&
    bounds.critical !== null &&
    worseThan(first, bounds.warn, bounds.critical)
  )
    say(limits.critical === undefined ? 'warn' : 'critical', orderText(first, bounds));
  return { ...common, rule, ...limits };
}

function expressionIn(text: string, say: Say): Expression | undefined {
  try {
    return parseExpression(text);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    say('when', error.message);
    return undefined;
  }
}

const EXAMPLES: Record<Unit, string> = {
  ratio: '0.8 or 80%',
  bytes: '256mb',
  ms: '500ms, 15m or 4h',
  count: '100',
  per_second: '5000',
  flag: '0',
};

function limitsIn(
  raw: RuleEntry,
  unit: Unit,
  say: Say,
): Pick<Entry, 'warn' | 'critical' | 'clear'> {
  const limits: Pick<Entry, 'warn' | 'critical' | 'clear'> = {};
  for (const key of ['warn', 'critical', 'clear'] as const) {
    const text = raw[key];
    if (text === undefined) continue;
    const value = text === false || text === 'off' ? null : quantity(String(text));
    if (value === undefined || !fits(String(text), unit))
      say(key, `"${text}" is no limit here; write ${EXAMPLES[unit]}, or "off"`);
    else limits[key] = value;
  }
  return limits;
}

/** 80% of a time, or 5 ms of a count, is a mistake. */
function fits(text: string, unit: Unit): boolean {
  const [, suffix = ''] = /([a-z%]*)$/i.exec(text.trim()) ?? [];
  if (suffix === '' || suffix === 'off' || suffix === 'false') return true;
  if (unit === 'ratio') return suffix === '%';
  if (unit === 'ms') return /^(ms|s|m|h|d)$/i.test(suffix);
  return unit === 'bytes' && /^(b|kb|mb|gb|tb)$/i.test(suffix);
}

const worseThan = ({ worse }: Pick<Bounds, 'worse'>, a: number, b: number) =>
  worse === 'above' ? a > b : a < b;

function orderText({ worse }: Bounds, { warn, critical }: Bounds): string {
  const side = worse === 'above' ? 'below' : 'above';
  return `expected warn (${warn}) ${side} critical (${critical})`;
}

/** Where a limit is moved and `clear` is not given, that keeps its distance in proportion. */
function withLimits(rule: Bounds, limits: Pick<Entry, 'warn' | 'critical' | 'clear'>): Bounds {
  const warn = limits.warn === undefined ? rule.warn : limits.warn;
  const critical = limits.critical === undefined ? rule.critical : limits.critical;
  const [was, is] = [rule.warn ?? rule.critical, warn ?? critical];
  const moved =
    rule.clear === null || was === null || is === null || was === 0
      ? rule.clear
      : Math.round((rule.clear * is * 1e9) / was) / 1e9;
  return {
    worse: rule.worse,
    warn,
    critical,
    clear: limits.clear === undefined ? moved : limits.clear,
  };
}

/** A rule as the entries make it for a target: those that stand later win. */
export function changed(
  rule: BuiltIn,
  entries: readonly Entry[],
  name: string,
  group: string,
): Bounds & Pick<Rule, 'for' | 'keep' | 'action'> & { off: boolean; from: string } {
  const { for: wait, keep, action } = rule;
  let now = { for: wait, keep, action, off: false, from: 'built in' };
  let limits: Pick<Entry, 'warn' | 'critical' | 'clear'> = {};
  for (const entry of entries) {
    if (entry.rule !== rule.name) continue;
    const excluded = entry.only !== undefined && !matches(entry.only, name, group);
    if (!excluded && !isFor(entry, name, group)) continue;
    const { warn, critical, clear } = entry;
    if (!excluded)
      limits = {
        ...limits,
        ...(warn !== undefined && { warn }),
        ...(critical !== undefined && { critical }),
        ...(clear !== undefined && { clear }),
      };
    now = {
      for: entry.for ?? now.for,
      keep: entry.keep ?? now.keep,
      action: entry.action ?? now.action,
      off: excluded || (entry.off ?? now.off),
      from: entry.from,
    };
  }
  return { ...withLimits(rule, limits), ...now };
}

/** Whether an entry counts for a target. */
export function isFor({ targets, only }: Entry, name: string, group: string): boolean {
  const named = targets ?? only;
  return named === undefined || matches(named, name, group);
}

/** `redis:main` also means each of its servers; `*` stands for anything. */
function matches(patterns: readonly string[], name: string, group: string): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    const glob = new RegExp(`^${parts.join('.*')}$`);
    return glob.test(name) || glob.test(group);
  });
}

/** Names of queues and of servers are not known before they are looked at. */
function checkTarget(target: string, key: string, config: Site, say: Say): void {
  if (target.includes('*')) return;
  const known = [
    ...Object.keys(config.redis).map((name) => `redis:${name}`),
    ...Object.keys(config.postgres).map((name) => `postgres:${name}`),
    ...Object.keys(config.applications).map((name) => `application:${name}`),
  ];
  const whole = target.split('/')[0] ?? target;
  if (target.startsWith('queue:') || known.includes(whole)) return;
  say(key, `nothing is named "${target}" (${nearest(target, known)})`);
}
