import type { Config } from '../config/load.js';
import type { Finding } from '../health/finding.js';
import type { Figures } from '../health/metrics.js';
import type { HealthResult, RedisLine } from '../health/result.js';
import { fullName } from '../queues/names.js';
import type { State } from '../state/folder.js';
import type { Moment } from './clock-jump.js';
import { fillRates, forecastRatio, retainedGrowing } from './history.js';
import type { AlertState } from './state.js';
import type { Subject } from './subject.js';

/** Everything that was looked at, with what only a second look can tell. */
export function subjectsOf(
  config: Config,
  health: HealthResult,
  state: AlertState,
  folder: State,
  moment: Moment,
): Subject[] {
  return [
    ...redisSubjects(config, health, state, folder, moment),
    ...health.postgres.map((line): Subject => {
      const name = `postgres:${line.target}`;
      const down = problemIn(line.findings, 'connection');
      return { ...base('postgres', name), ...(down ? away('down', down) : up(line)) };
    }),
    ...queueSubjects(health, state, moment),
    ...health.applications.map((line): Subject => {
      const down = line.status === 'critical' ? problemIn(line.findings, 'health') : undefined;
      const [first] = Object.keys(config.redis);
      const redis = config.applications[line.name]?.redis ?? first;
      return {
        ...base('application', `application:${line.name}`),
        // That it does without Redis while Redis is down is as it should be.
        within: redis === undefined ? null : `redis:${redis}`,
        ...(down ? away('down', down) : up(line)),
      };
    }),
  ];
}

function base(
  kind: Subject['kind'],
  name: string,
): Pick<Subject, 'kind' | 'name' | 'group' | 'within'> {
  return { kind, name, group: name, within: null };
}

const up = (figures: Subject['figures']) => ({ state: 'up' as const, reason: '', figures });

function away(state: 'down' | 'loading' | 'unread', { message: reason }: Pick<Finding, 'message'>) {
  return { state, reason, figures: null };
}

const problemIn = (findings: readonly Finding[], metric: string) =>
  findings.find((finding) => finding.metric === metric);

function redisSubjects(
  config: Config,
  { redis }: HealthResult,
  state: AlertState,
  folder: State,
  moment: Moment,
): Subject[] {
  return redis.map((line) => {
    const group = `redis:${line.target}`;
    const target = config.redis[line.target];
    const several = target?.cluster !== undefined || target?.sentinel !== undefined;
    // Where its servers cannot be found, it is the target as a whole that is down.
    const isServer = several && !/ by sentinels |^cluster /.test(line.address);
    const common = {
      kind: 'redis' as const,
      name: isServer ? `${group}/${line.address}` : group,
      group,
      within: isServer ? group : null,
    };
    if (line.memory === undefined) {
      const [problem] = line.findings;
      const found = problem ?? { metric: 'down', message: 'it cannot be asked' };
      return { ...common, ...away(found.metric === 'loading' ? 'loading' : 'down', found) };
    }
    const filled = fillRates(state, line, moment);
    const forecast_ratio = forecastRatio(state, folder, line, moment);
    const roles = target?.roles ?? ['cache'];
    return { ...common, ...up({ ...(filled as Measured), roles, forecast_ratio }) };
  });
}

type Measured = RedisLine & Figures['redis'];

function queueSubjects({ queues }: HealthResult, state: AlertState, moment: Moment): Subject[] {
  return queues.map((line): Subject => {
    const within = `${line.engine === 'bullmq' ? 'redis' : 'postgres'}:${line.source}`;
    if (line.queue === null) {
      const name = `queue:${line.source}/${line.scope}:*`;
      const problem = line.findings[0] ?? { message: 'the queues cannot be read' };
      return { ...base('queue', name), within, ...away('unread', problem) };
    }
    const name = `queue:${fullName({ ...line, queue: line.queue })}`;
    const { completed, failed } = line;
    const kept = completed === null || failed === null ? null : completed + failed;
    const retained_growing = retainedGrowing(state, name, kept, moment);
    return { ...base('queue', name), within, ...up({ ...line, retained_growing }) };
  });
}
