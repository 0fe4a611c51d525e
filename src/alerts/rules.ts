import type { Config } from '../config/load.js';
import type { Problem } from '../config/problems.js';
import { type Figures, KINDS, type Kind, type MetricName, measure } from '../health/metrics.js';
import type { Bounds, Rule, Severity } from '../health/rule.js';
import type { LimitsFor } from '../health/thresholds.js';
import { BUILT_IN, type BuiltIn } from './built-in.js';
import type { Expression } from './expression.js';
import { type Judgement, missing, unknown } from './judgement.js';
import { changed, type Entry, isFor, readEntries } from './rule-entries.js';
import type { Subject } from './subject.js';

/** A rule as it is in force for one target. Times in ms. */
export interface RuleInForce {
  name: string;
  kind: Kind;
  /** What it is about: a metric, or an expression. */
  about: string;
  metric: MetricName | null;
  bounds: Bounds | null;
  for: number;
  keep: number;
  action: string;
  /** "built in", or where in the configuration. */
  from: string;
  judge(subject: Subject, current: Severity | null): Judgement;
}

/** The rules of a configuration. */
export interface RuleBook {
  /** In force for a subject of this kind and name, or the group that it belongs to. */
  rulesFor(kind: Kind, name: string, group?: string): readonly RuleInForce[];
  /** Every rule as it is for targets that no entry names, and every entry that counts for some only. */
  all(): readonly (RuleInForce & { targets: string; off: boolean })[];
  /** Names of all rules. */
  names: readonly string[];
  /** For `health`, which judges by the same limits. */
  limits: LimitsFor;
  /** What is wrong in `alerts.rules`. Those entries do not count. */
  problems: Problem[];
}

/** Reads `alerts.rules`; what is wrong there costs that entry alone. */
export function readRules(
  config: Pick<Config, 'alerts' | 'file' | 'redis' | 'postgres' | 'applications'>,
): RuleBook {
  const { entries, problems } = readEntries(config, BUILT_IN);
  const cache = new Map<string, readonly RuleInForce[]>();
  const find = (kind: Kind, name: string, group = name) => [
    ...BUILT_IN.filter((rule) => rule.kind === kind).flatMap(
      (rule) => builtIn(rule, entries, name, group) ?? [],
    ),
    ...entries.flatMap((entry) =>
      entry.own && entry.own.expression.kind === kind && isFor(entry, name, group) && !entry.off
        ? ownRule(entry, entry.own)
        : [],
    ),
  ];
  return {
    rulesFor(kind, name, group) {
      const key = `${kind} ${name}`;
      const found = cache.get(key) ?? find(kind, name, group);
      cache.set(key, found);
      return found;
    },
    all: () => listed(entries),
    names: [...new Set([...BUILT_IN.map(({ name }) => name), ...entries.flatMap(ownName)])],
    limits: ({ kind, name }, target) => {
      const rule = BUILT_IN.find((known) => known.kind === kind && known.name === name);
      return (rule && builtIn(rule, entries, target, target)?.bounds) ?? 'off';
    },
    problems,
  };
}

const ownName = ({ own }: Entry) => (own ? [own.name] : []);

/** Undefined where it is switched off. */
function builtIn(
  rule: BuiltIn,
  entries: readonly Entry[],
  name: string,
  group: string,
): RuleInForce | undefined {
  const { off, from, ...now } = changed(rule, entries, name, group);
  return off ? undefined : inForce(rule, now, from);
}

function inForce(
  rule: BuiltIn,
  now: Bounds & Pick<Rule, 'for' | 'keep' | 'action'>,
  from: string,
): RuleInForce {
  const { name, kind, metric, about } = rule;
  const bounds = { worse: rule.worse, warn: now.warn, critical: now.critical, clear: now.clear };
  return {
    name,
    kind,
    about,
    metric,
    bounds,
    for: now.for,
    keep: now.keep,
    action: now.action,
    from,
    judge: (subject, current) => rule.judge(bounds, subject, current),
  };
}

function ownRule(
  entry: Entry,
  { name, expression, severity }: NonNullable<Entry['own']>,
): RuleInForce {
  return {
    name,
    kind: expression.kind,
    about: expression.text,
    metric: expression.metrics[0] ?? null,
    bounds: null,
    for: entry.for ?? 0,
    keep: entry.keep ?? 0,
    action: entry.action ?? `look at ${expression.metrics.join(', ')}`,
    from: entry.from,
    judge: ({ figures, state, reason }) =>
      figures === null ? unknown(`${state}: ${reason}`) : judgeOwn(expression, severity, figures),
  };
}

function judgeOwn(expression: Expression, severity: Severity, figures: Figures[Kind]): Judgement {
  const values = new Map(expression.metrics.map((name) => [name, measure(name, figures)]));
  if ([...values.values()].includes(undefined)) return { applies: false };
  const holds = expression.holds((name) => values.get(name) ?? null);
  if (holds === null)
    return missing(expression.metrics.filter((name) => values.get(name) === null));
  const [value] = values.values();
  const said = [...values].map(([name, known]) => `${name} ${rounded(known ?? null)}`).join(', ');
  const summary = `${expression.text}: ${said}`;
  return {
    applies: true,
    value: value ?? null,
    severity: holds ? severity : null,
    held: false,
    summary,
  };
}

const rounded = (value: number | null) =>
  value === null ? 'unknown' : String(Math.round(value * 1_000) / 1_000);

/** For `alert rules`: the table, and what entries that name targets make of it there. */
function listed(entries: readonly Entry[]): ReturnType<RuleBook['all']> {
  const everywhere = entries.filter(({ targets, only }) => !targets && !only);
  const rows = BUILT_IN.flatMap((rule) => {
    const scoped = entries.filter(
      ({ rule: name, targets, only }) => name === rule.name && (targets ?? only),
    );
    const { off, from, ...now } = changed(rule, everywhere, '', '');
    const base = { ...inForce(rule, now, from), targets: 'all', off };
    return [
      base,
      ...scoped.map((entry) => {
        const targets = entry.targets ?? entry.only ?? [];
        const [first = ''] = targets;
        const { off: away, from: place, ...there } = changed(rule, entries, first, first);
        return { ...inForce(rule, there, place), targets: targets.join(', '), off: away };
      }),
    ];
  });
  const own = entries.flatMap((entry) =>
    entry.own
      ? [
          {
            ...ownRule(entry, entry.own),
            targets: (entry.targets ?? entry.only)?.join(', ') ?? 'all',
            off: entry.off ?? false,
          },
        ]
      : [],
  );
  const order = (kind: Kind) => KINDS.indexOf(kind);
  return [...rows, ...own].sort((a, b) => order(a.kind) - order(b.kind));
}
