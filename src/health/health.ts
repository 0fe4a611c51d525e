import type { Config } from '../config/load.js';
import { nearest } from '../config/nearest.js';
import { CacheOpsError } from '../errors.js';
import { postgresTargets } from '../postgres/target.js';
import type { Limits } from '../redis/channel.js';
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
}

/**
 * The whole estate at one moment. Everything is asked at the same time, each with its own limit, so
 * that the slowest alone decides how long it takes. Reads only.
 */
export async function inspect(
  config: Config,
  { sample, now, pings, known, thresholds, ...limits }: Inspection,
): Promise<HealthResult> {
  const { count, over } = pings ?? { count: 10, over: sample };
  const look = { sample, pings: count, over };
  const began = now();
  const clock = performance.now();
  const [redis, postgres, queues, applications] = await Promise.all([
    Promise.all(
      Object.keys(config.redis).map((name) =>
        inspectRedis(redisTarget(config, name), look, limits, thresholds),
      ),
    ),
    Promise.all(
      postgresTargets(config).map((target) => inspectPostgres(target, limits, thresholds)),
    ),
    Promise.all(
      config.queues.map((entry) =>
        inspectQueues(config, entry, began, limits, { thresholds, known }),
      ),
    ),
    Promise.all(
      Object.entries(config.applications).map(([name, application]) =>
        inspectApplication({ name, config: application }, limits, thresholds),
      ),
    ),
  ]);
  const lines = { redis: redis.flat(), postgres, queues: queues.flat(), applications };
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
