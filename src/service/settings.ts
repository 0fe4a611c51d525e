import * as z from 'zod';
import type { RedisAddress } from './connection/client.js';

/** What the service runs with. Holds the password of Redis: not to be printed. */
export interface Settings {
  cacheType: 'memory' | 'redis';
  /** Absent when nothing is to use Redis. */
  redis?: RedisAddress;
  /** `{prefix}:{env}:`, the beginning of every key. */
  keyPrefix: string;
  tasks: 'memory' | 'redis' | 'both';
  host: string;
  /** 0 asks for any free port. */
  port: number;
  instance: string;
  /** Opens the routes that give task status to a migration. Absent: there are none. */
  exportToken?: string;
}

/** The environment cannot be used; the message is one line and names the variable, never its value. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

type Environment = Readonly<Record<string, string | undefined>>;

const flag = (fallback: boolean) =>
  z
    .enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off'])
    .transform((word) => ['true', '1', 'yes', 'on'].includes(word))
    .default(fallback);

const number = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/)
    .transform(Number)
    .pipe(z.number().min(low).max(high));

/** Part of every key: a separator or glob in it would let one estate reach another's keys. */
const segment = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/);

const schema = z.object({
  REDIS_URL: z.string().optional(),
  REDIS_HOST: z.string().optional(),
  REDIS_PORT: number(1, 65_535).default(6379),
  REDIS_USERNAME: z.string().optional(),
  REDIS_PASSWORD: z.string().optional(),
  REDIS_DB: number(0, 9_999).default(0),
  CACHE_TYPE: z.enum(['memory', 'redis']).optional(),
  REDIS_ENABLED: flag(true),
  REDIS_CACHE_ENABLED: flag(true),
  REDIS_TASK_STATUS_ENABLED: flag(false),
  REDIS_TASK_STATUS_DUAL_WRITE: flag(false),
  REDIS_PREFIX: segment.default('app'),
  ENV: segment.optional(),
  NODE_ENV: segment.optional(),
  HOST: z.string().default('127.0.0.1'),
  PORT: number(0, 65_535).default(0),
  INSTANCE_ID: segment.optional(),
  EXPORT_TOKEN: z.string().min(16).max(1_000).optional(),
});

/**
 * The settings that an environment describes. `REDIS_URL` wins over `REDIS_HOST` and its like; an
 * empty variable is an absent one. `REDIS_ENABLED=false` keeps everything in memory, whatever else
 * is set: it is the way back of every stage of the rollout. Throws SettingsError.
 */
export function settingsFrom(env: Environment, defaults: { instance: string }): Settings {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw new SettingsError(describe(parsed.error));
  const vars = parsed.data;
  const address = vars.REDIS_ENABLED ? redisAddress(vars) : undefined;
  if (vars.CACHE_TYPE === 'redis' && vars.REDIS_ENABLED && !address) {
    throw new SettingsError('CACHE_TYPE=redis needs REDIS_URL or REDIS_HOST');
  }
  const useCache = vars.CACHE_TYPE !== 'memory' && vars.REDIS_CACHE_ENABLED;
  const cacheType = address && useCache ? 'redis' : 'memory';
  const tasks = taskStores(vars, address !== undefined);
  return {
    cacheType,
    ...(address && (cacheType === 'redis' || tasks !== 'memory') && { redis: address }),
    keyPrefix: `${vars.REDIS_PREFIX}:${vars.ENV ?? vars.NODE_ENV ?? 'development'}:`,
    tasks,
    host: vars.HOST,
    port: vars.PORT,
    instance: vars.INSTANCE_ID ?? defaults.instance,
    ...(vars.EXPORT_TOKEN && { exportToken: vars.EXPORT_TOKEN }),
  };
}

function taskStores(vars: z.output<typeof schema>, haveRedis: boolean): Settings['tasks'] {
  if (!haveRedis || !vars.REDIS_TASK_STATUS_ENABLED) return 'memory';
  return vars.REDIS_TASK_STATUS_DUAL_WRITE ? 'both' : 'redis';
}

function redisAddress(vars: z.output<typeof schema>): RedisAddress | undefined {
  if (vars.REDIS_URL !== undefined) return addressOfUrl(vars.REDIS_URL);
  if (vars.REDIS_HOST === undefined) return undefined;
  return {
    host: vars.REDIS_HOST,
    port: vars.REDIS_PORT,
    db: vars.REDIS_DB,
    ...(vars.REDIS_USERNAME && { username: vars.REDIS_USERNAME }),
    ...(vars.REDIS_PASSWORD && { password: vars.REDIS_PASSWORD }),
  };
}

function addressOfUrl(text: string): RedisAddress {
  const bad = new SettingsError(
    'REDIS_URL: expected redis[s]://[user][:password@]host[:port][/db]',
  );
  if (!URL.canParse(text)) throw bad;
  const url = new URL(text);
  const db = url.pathname.replace(/^\//, '') || '0';
  if (!/^rediss?:$/.test(url.protocol) || !url.hostname || !/^\d{1,4}$/.test(db)) throw bad;
  try {
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(url.port || 6379),
      db: Number(db),
      ...(url.username && { username: decodeURIComponent(url.username) }),
      ...(url.password && { password: decodeURIComponent(url.password) }),
      ...(url.protocol === 'rediss:' && { tls: true }),
    };
  } catch {
    throw bad;
  }
}

function describe(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
}
