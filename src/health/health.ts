import type { Config } from '../config/load.js';
import { nearest } from '../config/nearest.js';
import { CacheOpsError } from '../errors.js';
import { postgresTargets } from '../postgres/target.js';
import type { Limits } from '../redis/channel.js';
import { type Connections, openConnections } from '../redis/connections.js';
import { redisTarget } from '../redis/target.js';
import { inspectApplication } from './applications.js';
import { worst } from './finding.js';
import { inspectPostgres } from './postgres.js';
import { inspectQueues, type KnownQueues } from './queues.js';
import { inspectRedis } from './redis.js';
import type { HealthResult } from './result.js';
import type { LimitsFor } from './thresholds.js';

export interface Inspection extends Limits {
  /** Milliseconds over which rates are measured; 0 measures none. */
  sample: number;
  now: () => number;
  /** How many pings, over how many milliseconds; ten over the sample unless said otherwise. */
  pings?: { count: number; over: number };
  /** Queues found by an earlier look; is added to. */
  known?: KnownQueues;
  thresholds?: LimitsFor;
  /** A sentence for the operator. */
  notice?: (text: string) => void;
}

/**
 * The whole estate at one moment. Everything is asked at the same time, each with its own limit, so
 * that the slowest alone decides how long it takes. Reads only.
 */
export async function inspect(
  config: Config,
  { sample, now, pings, known, thresholds, notice, ...limits }: Inspection,
): Promise<HealthResult> {
  const { count, over } = pings ?? { count: 10, over: sample };
  const began = now();
  const clock = performance.now();
  const opened = new Map<string, Connections>();
  const connections = (name: string) => {
    const found = opened.get(name) ?? openConnections(redisTarget(config, name), limits);
    opened.set(name, found);
    return found;
  };
  const look = { sample, pings: count, over };
  const parts = Promise.all([
    Promise.all(
      Object.keys(config.redis).map((name) =>
        inspectRedis(connections(name), look, limits, thresholds),
      ),
    ),
    Promise.all(
      postgresTargets(config).map((target) => inspectPostgres(target, limits, thresholds)),
    ),
    inspectQueues(config, began, limits, { thresholds, known, connections, notice }),
    Promise.all(
      Object.entries(config.applications).map(([name, application]) =>
        inspectApplication({ name, config: application }, limits, thresholds),
      ),
    ),
  ]);
  const [redis, postgres, queues, applications] = await parts.finally(() => {
    for (const each of opened.values()) each.close();
  });
  const lines = { redis: redis.flat(), postgres, queues, applications };
  const all = Object.values(lines).flat();
  return {
    status: worst(all.map(({ status }) => status)),
    estate: config.estate,
    environment: config.environment,
    at: new Date(began).toISOString(),
    took_ms: Math.round(performance.now() - clock),
    sample_ms: sample,
    ...lines,
  };
}

/** The estate cut down to what is named; all of it for an empty list. Queues go with their store. */
export function narrow(config: Config, names: readonly string[]): Config {
  if (names.length === 0) return config;
  const known = [config.redis, config.postgres, config.applications].flatMap(Object.keys);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new CacheOpsError('not_found', `nothing is named "${unknown}"`, nearest(unknown, known));
  const pick = <T>(entries: Record<string, T>) =>
    Object.fromEntries(Object.entries(entries).filter(([name]) => names.includes(name)));
  return {
    ...config,
    redis: pick(config.redis),
    postgres: pick(config.postgres),
    queues: config.queues.filter((entry) =>
      names.includes(entry.engine === 'bullmq' ? entry.redis : entry.postgres),
    ),
    applications: pick(config.applications),
  };
}
