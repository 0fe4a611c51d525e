import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import type { Environment } from '../config/environment.js';
import { CacheOpsError } from '../errors.js';

export interface Binaries {
  redisServer: string;
  /** The folder with `initdb` and `postgres`, which must be of one version. */
  postgresBin: string;
}

/**
 * The servers' programs, absolute: from CACHE_OPS_REDIS_SERVER (a file) and CACHE_OPS_POSTGRES_BIN
 * (a folder), else PATH, else where systems put them, else what `npm run bootstrap` brought.
 * Throws `unavailable` (exit 69) and says what to install.
 */
export function findBinaries(env: Environment): Binaries {
  const redis = findRedis(env);
  const postgres = findPostgres(env);
  if (redis && postgres) return { redisServer: redis, postgresBin: postgres };
  const missing = [
    ...(redis ? [] : ['redis-server']),
    ...(postgres ? [] : ['initdb and postgres']),
  ].join(', ');
  throw new CacheOpsError(
    'unavailable',
    `the sandbox needs ${missing}, which ${missing === 'redis-server' ? 'is' : 'are'} not there`,
    'install Redis and PostgreSQL (packages: redis-server, postgresql), or set CACHE_OPS_REDIS_SERVER to the program and CACHE_OPS_POSTGRES_BIN to the folder',
  );
}

function findRedis(env: Environment): string | undefined {
  if (env.CACHE_OPS_REDIS_SERVER) return given(env.CACHE_OPS_REDIS_SERVER, isProgram);
  return folders(env, 'redis')
    .map((folder) => join(folder, 'redis-server'))
    .find(isProgram);
}

function findPostgres(env: Environment): string | undefined {
  if (env.CACHE_OPS_POSTGRES_BIN) return given(env.CACHE_OPS_POSTGRES_BIN, hasPostgres);
  return folders(env, 'postgres').find(hasPostgres);
}

/** What is named outright is not replaced by something else when it is wrong. */
function given(path: string, fits: (path: string) => boolean): string | undefined {
  const absolute = resolve(path);
  return fits(absolute) ? absolute : undefined;
}

function folders(env: Environment, server: 'redis' | 'postgres'): string[] {
  const cache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  return [
    ...(env.PATH ?? '')
      .split(delimiter)
      .filter((folder) => folder !== '')
      .map((folder) => resolve(folder)),
    // Debian keeps initdb and postgres out of PATH.
    ...newestFirst('/usr/lib/postgresql', /^\d+$/),
    ...newestFirst('/usr', /^pgsql-\d+$/),
    ...['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew'].flatMap((prefix) => [
      join(prefix, 'bin'),
      ...newestFirst(join(prefix, 'opt'), /^postgresql@\d+$/),
    ]),
    '/usr/bin',
    '/usr/sbin',
    join(cache, 'cache-ops', 'servers', server, 'bin'),
  ];
}

/** The `bin` folders of the versions in a folder. */
function newestFirst(folder: string, pattern: RegExp): string[] {
  const version = (name: string) => Number(/\d+$/.exec(name)?.[0]);
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort((a, b) => version(b) - version(a))
      .map((name) => join(folder, name, 'bin'));
  } catch {
    return [];
  }
}

function hasPostgres(folder: string): boolean {
  return isProgram(join(folder, 'initdb')) && isProgram(join(folder, 'postgres'));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
