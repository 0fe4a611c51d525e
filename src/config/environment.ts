import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { CacheOpsError, codeOf, messageOf } from '../errors.js';
import type { Path } from './problems.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment, with a `.env` file of the working folder under it. */
export function withDotEnv(env: Environment, cwd: string): Environment {
  const file = join(cwd, '.env');
  try {
    return { ...parseEnv(readFileSync(file, 'utf8')), ...env };
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return env;
    throw new CacheOpsError(
      'config',
      `${file}: cannot be read (${codeOf(error) ?? messageOf(error)})`,
    );
  }
}

/** The estate that the applications' own variables describe, in the shape of the configuration file. */
export function estateFromEnvironment(env: Environment): Record<string, unknown> {
  const redis = redisFromEnvironment(env);
  const url = env.DATABASE_URL;
  return {
    environment: env.CACHE_OPS_ENVIRONMENT ?? env.ENV ?? env.NODE_ENV ?? 'development',
    ...(redis && { redis: { main: { ...redis, roles: ['cache', 'queue'] } } }),
    ...(url && { postgres: { main: { url } } }),
    queues: [
      ...(redis ? [{ engine: 'bullmq', redis: 'main' }] : []),
      ...(url ? [{ engine: 'pgboss', postgres: 'main' }] : []),
    ],
    ...(env.REDIS_PREFIX && { keys: { prefix: env.REDIS_PREFIX } }),
  };
}

/** The variable that the value at `path` of the estate is from. */
export function variableOf([section, , field]: Path, env: Environment): string | undefined {
  if (section === 'postgres') return 'DATABASE_URL';
  if (section !== 'redis') return undefined;
  if (field === 'db') return 'REDIS_DB';
  return env.REDIS_URL ? 'REDIS_URL' : 'REDIS_HOST and REDIS_PORT';
}

function redisFromEnvironment(env: Environment): Record<string, unknown> | undefined {
  if (env.REDIS_URL) return { url: env.REDIS_URL };
  if (!env.REDIS_HOST) return undefined;
  return {
    url: `redis://${env.REDIS_HOST}:${env.REDIS_PORT || 6379}`,
    ...(env.REDIS_PASSWORD && { password: env.REDIS_PASSWORD }),
    ...(env.REDIS_DB && { db: env.REDIS_DB }),
  };
}
