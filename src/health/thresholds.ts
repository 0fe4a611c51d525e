import { type Finding, STATUSES } from './finding.js';
import { type Figures, type Kind, measure } from './metrics.js';
import { APPLICATION_RULES, POSTGRES_RULES, QUEUE_RULES } from './other-rules.js';
import { FRAGMENTED_BYTES, REDIS_RULES } from './redis-rules.js';
import { type Bounds, levelOf, type Rule } from './rule.js';

/** The limits of a rule for one target, where the configuration has others than the table. */
export type LimitsFor = (rule: Rule, target: string) => Bounds | 'off';

const AS_WRITTEN: LimitsFor = (rule) => rule;

const bounds = (name: string) => {
  const { warn, critical } = REDIS_RULES.find((rule) => rule.name === name) as Bounds;
  return { warn: warn ?? Number.POSITIVE_INFINITY, critical: critical ?? Number.POSITIVE_INFINITY };
};

/** Of the rules' limits those that other judgements share. */
export const LIMITS = {
  memory: bounds('memory'),
  fragmentation: { ...bounds('fragmentation'), bytes: FRAGMENTED_BYTES },
};

type Role = 'cache' | 'queue';
type RedisFigures = Omit<Figures['redis'], 'roles'>;

export function judgeRedis(
  figures: RedisFigures,
  roles: readonly Role[],
  target = '',
  limits = AS_WRITTEN,
): Finding[] {
  return [...unknownMemory(figures), ...judge(REDIS_RULES, { ...figures, roles }, target, limits)];
}

/** The share of the limit, and what the system holds beyond what is in use. */
export function judgeMemory(
  figures: Pick<RedisFigures, 'memory' | 'fragmentation'>,
  roles: readonly Role[],
): Finding[] {
  const rules = REDIS_RULES.filter(({ name }) => name === 'memory' || name === 'fragmentation');
  return [
    ...unknownMemory(figures),
    ...judge(rules, { ...figures, roles } as Figures['redis'], '', AS_WRITTEN),
  ];
}

export function judgePostgres(
  figures: Figures['postgres'],
  target = '',
  limits = AS_WRITTEN,
): Finding[] {
  const { used, limit } = figures.connections;
  const unknown: Finding[] =
    used === null || !limit
      ? [{ metric: 'connections', status: 'unknown', message: 'connections cannot be read' }]
      : [];
  return [...unknown, ...judge(POSTGRES_RULES, figures, target, limits)];
}

export function judgeQueue(figures: Figures['queue'], target = '', limits = AS_WRITTEN): Finding[] {
  return [...uncounted(figures), ...judge(QUEUE_RULES, figures, target, limits)];
}

export function judgeApplication(
  figures: Figures['application'],
  target = '',
  limits = AS_WRITTEN,
): Finding[] {
  return judge(APPLICATION_RULES, figures, target, limits);
}

/** What is beyond its limit at this moment, whatever it was before; one finding of a name, the worst. */
function judge<K extends Kind>(
  rules: readonly Rule<K>[],
  figures: Figures[K],
  target: string,
  limits: LimitsFor,
): Finding[] {
  const found = new Map<string, Finding>();
  for (const rule of rules) {
    const inForce = limits(rule as Rule, target);
    if (inForce === 'off' || rule.applies?.(figures) === false) continue;
    const value = measure(rule.metric, figures);
    if (value === null || value === undefined) continue;
    const { severity: status } = levelOf(inForce, value);
    if (status === null) continue;
    const metric = rule.finding ?? rule.name;
    const before = found.get(metric)?.status ?? 'ok';
    if (STATUSES.indexOf(status) > STATUSES.indexOf(before))
      found.set(metric, { metric, status, message: rule.say(figures, value) });
  }
  return [...found.values()];
}

function unknownMemory({ memory }: Pick<RedisFigures, 'memory'>): Finding[] {
  if (memory.ratio !== null) return [];
  const message = memory.used_bytes === null ? 'INFO says no memory' : 'no memory limit is known';
  return [{ metric: 'memory', status: 'unknown', message }];
}

/** Nobody is to take what may not be read for none. */
function uncounted(figures: Figures['queue']): Finding[] {
  const unknown = COUNTED.filter((state) => figures[state] === null);
  if (unknown.length === 0) return [];
  const message = `${unknown.join(', ')}: how many there are cannot be read`;
  return [{ metric: 'jobs', status: 'unknown', message }];
}

const COUNTED = ['waiting', 'active', 'delayed', 'blocked', 'completed', 'failed'] as const;
