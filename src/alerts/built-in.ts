import { type Kind, METRICS, type MetricName, measure } from '../health/metrics.js';
import { APPLICATION_RULES, POSTGRES_RULES, QUEUE_RULES } from '../health/other-rules.js';
import { REDIS_RULES } from '../health/redis-rules.js';
import { type Bounds, levelOf, type Rule, type Severity } from '../health/rule.js';
import { type Judgement, missing, unknown } from './judgement.js';
import type { Subject } from './subject.js';

const MINUTE = 60_000;

/** A built-in rule, or one about whether the target is there at all. */
export type BuiltIn = Omit<Rule, 'metric' | 'applies' | 'say'> & {
  metric: MetricName | null;
  about: string;
  judge(bounds: Bounds, subject: Subject, current: Severity | null): Judgement;
};

const TABLE = [...REDIS_RULES, ...POSTGRES_RULES, ...QUEUE_RULES, ...APPLICATION_RULES] as Rule[];

/** In the order in which they are listed. */
export const BUILT_IN: readonly BuiltIn[] = [
  ...(['redis', 'postgres', 'application'] as const).map((kind) =>
    presence(kind, 'down', { critical: 0, warn: null }, { keep: MINUTE }, downAction(kind)),
  ),
  presence(
    'redis',
    'loading',
    { warn: 0, critical: null },
    { for: 5 * MINUTE },
    'it reads its data from disk: wait; INFO persistence has loading_eta_seconds',
  ),
  ...TABLE.map(fromTable),
];

function downAction(kind: Kind): string {
  if (kind === 'redis')
    return 'cache-ops ping says at which stage: DNS, TCP, TLS, AUTH; then start it, or degrade to memory';
  if (kind === 'postgres')
    return 'cache-ops health says why; is it up, is our address allowed, is the password right?';
  return 'is it up? its log; cache-ops health says what it answered';
}

function presence(
  kind: Kind,
  name: 'down' | 'loading',
  limits: Pick<Bounds, 'warn' | 'critical'>,
  times: Partial<Pick<Rule, 'for' | 'keep'>>,
  action: string,
): BuiltIn {
  return {
    kind,
    name,
    metric: null,
    about: name,
    worse: 'above',
    clear: null,
    for: 0,
    keep: 0,
    ...limits,
    ...times,
    action,
    judge(bounds, { state, reason }, current) {
      if (state === 'unread') return { applies: false };
      const value = Number(state === name);
      const summary = value === 1 ? `${name}: ${reason}` : `not ${name}`;
      return { applies: true, value, ...levelOf(bounds, value, current), summary };
    },
  };
}

function fromTable(rule: Rule): BuiltIn {
  const { metric } = rule;
  return {
    ...rule,
    about: metric,
    judge(bounds, { figures, reason, state }, current) {
      if (figures === null) return unknown(`${state}: ${reason}`);
      if (rule.applies?.(figures) === false) return { applies: false };
      const value = measure(metric, figures);
      if (value === undefined) return { applies: false };
      if (value === null) return missing([metric]);
      const level = levelOf(bounds, value, current);
      // What a flag says is what is wrong.
      const isWell = level.severity === null && METRICS[metric].unit === 'flag';
      const summary = isWell ? `not so: ${METRICS[metric].help}` : rule.say(figures, value);
      return { applies: true, value, ...level, summary };
    },
  };
}
