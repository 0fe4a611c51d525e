import type { Config } from '../config/load.js';
import { worst } from '../health/finding.js';
import { postgresTargets } from '../postgres/target.js';
import type { Limits } from '../redis/channel.js';
import { redisTarget } from '../redis/target.js';
import { auditPostgres } from './postgres.js';
import { auditRedis, type Purpose } from './redis.js';
import type { DoctorResult } from './result.js';

/** Audits every Redis and Postgres of a configuration at the same time. Reads only. */
export async function examine(
  config: Config,
  { now, ...limits }: Limits & { now: () => number },
): Promise<DoctorResult> {
  const at = new Date(now()).toISOString();
  const [redis, postgres] = await Promise.all([
    Promise.all(
      Object.keys(config.redis).map((name) =>
        auditRedis(redisTarget(config, name), purposeOf(config, name), limits),
      ),
    ),
    Promise.all(postgresTargets(config).map((target) => auditPostgres(target, limits))),
  ]);
  const servers = [...redis.flat(), ...postgres];
  return {
    status: worst(servers.map(({ status }) => status)),
    estate: config.estate,
    environment: config.environment,
    at,
    servers,
  };
}

/** A Redis that BullMQ queues are configured on is one for queues, whatever its roles say. */
function purposeOf(config: Config, name: string): Purpose {
  const prefixes = config.queues.flatMap((entry) =>
    entry.engine === 'bullmq' && entry.redis === name ? entry.prefix : [],
  );
  const roles = new Set(config.redis[name]?.roles);
  if (prefixes.length > 0) roles.add('queue');
  return { roles: [...roles], prefixes };
}
