import type { Config } from '../config/load.js';
import { nearest } from '../config/nearest.js';
import { CacheOpsError } from '../errors.js';
import { type RedisTarget, redisTarget } from '../redis/target.js';
import { checkApplications, type Instance } from './applications.js';
import type { Check, Run } from './check.js';
import { checkRedis } from './connection.js';

export interface Selection {
  /** Names of the configuration; all of a kind where they are left out. */
  targets?: readonly string[] | undefined;
  applications?: readonly string[] | undefined;
  /** False: the applications only. */
  redis: boolean;
}

export interface Plan {
  targets: RedisTarget[];
  instances: Instance[];
}

/** What is to be checked. Throws when a name is unknown, or nothing would be checked. */
export function planSmoke(config: Config, selection: Selection): Plan {
  const targets = selection.redis ? selectCaches(config, selection.targets) : [];
  const instances = selectInstances(config, selection.applications);
  if (targets.length > 0 || instances.length > 0) return { targets, instances };
  throw new CacheOpsError(
    'config',
    'nothing to check: there is neither a Redis with the role cache nor an application',
    'set REDIS_URL, or list redis: and applications: in cache-ops.yaml (cache-ops config init)',
  );
}

function selectCaches(config: Config, names: readonly string[] | undefined): RedisTarget[] {
  if (names) return [...new Set(names)].map((name) => namedCache(config, name));
  return Object.entries(config.redis)
    .filter(([, { roles, replica }]) => roles.includes('cache') && !replica)
    .map(([name]) => redisTarget(config, name));
}

/** A Redis with the role cache by its name, the first one without; throws where there is none to write to. */
export function selectCache(config: Config, name: string | undefined): RedisTarget {
  if (name !== undefined) return namedCache(config, name);
  const [first] = selectCaches(config, undefined);
  if (first) return first;
  throw new CacheOpsError(
    'config',
    'no Redis with the role cache is configured',
    'set REDIS_URL, or write a cache-ops.yaml: cache-ops config init',
  );
}

function namedCache(config: Config, name: string): RedisTarget {
  const target = redisTarget(config, name);
  const { roles, replica } = target.config;
  if (replica)
    throw new CacheOpsError(
      'usage',
      `${target.name} is a read-only replica: smoke writes`,
      'name its master',
    );
  if (!roles.includes('cache'))
    throw new CacheOpsError(
      'usage',
      `${target.name} is no cache: its roles are ${roles.join(', ')}`,
      'only a Redis with the role cache is written to',
    );
  return target;
}

function selectInstances(
  { applications, redis }: Config,
  names: readonly string[] | undefined,
): Instance[] {
  const known = Object.keys(applications);
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new CacheOpsError(
      'not_found',
      `no application is named "${unknown}"`,
      nearest(unknown, known),
    );
  const [first] = Object.keys(redis);
  return Object.entries(applications)
    .filter(([name]) => names?.includes(name) ?? true)
    .map(([name, config]) => ({
      application: { name, config },
      shares: config.redis ?? first,
    }));
}

/** All targets and applications at the same time; resolves or rejects when every key is removed. */
export async function runSmoke({ targets, instances }: Plan, run: Run): Promise<Check[]> {
  const results = await Promise.allSettled([
    ...targets.map((target) => checkRedis(target, run)),
    checkApplications(instances, run).then((checks) => checks.flat()),
  ]);
  return results.flatMap((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
