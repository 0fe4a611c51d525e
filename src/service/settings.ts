import * as z from 'zod';
import type { RedisAddress } from './connection/client.js';

/** What the service runs with. Holds the password of Redis: not to be printed. */
export interface Settings {
  cacheType: 'memory' | 'redis' | 'postgres';
  /** Memory before Redis, in redis mode. */
  twoLevel: boolean;
  /** Absent when nothing is to use Redis. */
  redis?: RedisAddress;
  /** `{prefix}:{env}:`, the beginning of every key. */
  keyPrefix: string;
  tasks: Stores;
  sessions: Stores;
  /** Where requests are counted, and how many a user has a minute; 0: any number. */
  rateLimit: { store: 'memory' | 'redis'; perMinute: number };
  /** Where split tasks are kept and the cache table is; absent without Postgres. Holds a password. */
  databaseUrl?: string;
  queueType: 'memory' | 'redis' | 'pgboss';
  /** Jobs go into memory while Redis is away; without it they are refused, as memory ends with the process. */
  queueFallback: boolean;
  /** Queues of single jobs that this instance takes and works on. */
  jobQueues: string[];
  /** Batches of a kind at a time. */
  concurrency: number;
  /** Milliseconds that a worker may be silent before others go on with its batch. */
  leaseMs: number;
  /** Every request but that for health has to bring it. */
  apiToken?: string;
  /** The switches of the rollout as they are in force. */
  switches: Record<Switch, boolean>;
  host: string;
  /** 0 asks for any free port. */
  port: number;
  instance: string;
  /** Opens the routes that give task status to a migration. Absent: there are none. */
  exportToken?: string;
}

/** Where one kind of state is: `both` while it moves to Redis. */
export type Stores = 'memory' | 'redis' | 'both';

export const SWITCHES = [
  'REDIS_ENABLED',
  'REDIS_TASK_STATUS_ENABLED',
  'REDIS_CHAT_SESSION_ENABLED',
  'REDIS_CACHE_ENABLED',
  'REDIS_RATE_LIMIT_ENABLED',
] as const;
export type Switch = (typeof SWITCHES)[number];

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
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'expected postgres://')
    .optional(),
  CACHE_TYPE: z.enum(['memory', 'redis', 'postgres']).optional(),
  CACHE_TWO_LEVEL: flag(false),
  QUEUE_TYPE: z.enum(['memory', 'redis', 'pgboss']).default('memory'),
  QUEUE_FALLBACK: z.enum(['none', 'memory']).default('none'),
  JOB_QUEUES: z
    .string()
    .regex(/^[a-z][a-z0-9:-]{0,59}(,[a-z][a-z0-9:-]{0,59}){0,19}$/, 'expected names, with commas')
    .transform((names) => names.split(','))
    .optional(),
  WORKER_CONCURRENCY: number(0, 100).default(1),
  BATCH_LEASE_MS: number(100, 900_000).default(30_000),
  RATE_LIMIT_PER_MINUTE: number(0, 999_999).default(0),
  API_TOKEN: z.string().min(16, 'expected 16 characters or more').optional(),
  REDIS_ENABLED: flag(true),
  REDIS_CACHE_ENABLED: flag(true),
  REDIS_TASK_STATUS_ENABLED: flag(false),
  REDIS_TASK_STATUS_DUAL_WRITE: flag(false),
  REDIS_CHAT_SESSION_ENABLED: flag(false),
  REDIS_CHAT_SESSION_DUAL_WRITE: flag(false),
  REDIS_RATE_LIMIT_ENABLED: flag(false),
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
  if (vars.CACHE_TYPE === 'postgres' || vars.QUEUE_TYPE === 'pgboss')
    if (!vars.DATABASE_URL)
      throw new SettingsError('CACHE_TYPE=postgres and QUEUE_TYPE=pgboss need DATABASE_URL');
  if (vars.QUEUE_TYPE === 'redis' && vars.REDIS_ENABLED && !address)
    throw new SettingsError('QUEUE_TYPE=redis needs REDIS_URL or REDIS_HOST');
  const queueType = vars.QUEUE_TYPE === 'redis' && !vars.REDIS_ENABLED ? 'memory' : vars.QUEUE_TYPE;
  const has = address !== undefined;
  const useCache = vars.CACHE_TYPE !== 'memory' && vars.REDIS_CACHE_ENABLED;
  const cacheType =
    vars.CACHE_TYPE === 'postgres' ? 'postgres' : address && useCache ? 'redis' : 'memory';
  const tasks = stores(has && vars.REDIS_TASK_STATUS_ENABLED, vars.REDIS_TASK_STATUS_DUAL_WRITE);
  const sessions = stores(
    has && vars.REDIS_CHAT_SESSION_ENABLED,
    vars.REDIS_CHAT_SESSION_DUAL_WRITE,
  );
  const limits = has && vars.REDIS_RATE_LIMIT_ENABLED ? 'redis' : 'memory';
  // Stage 0 of the rollout: a Redis that nothing is to use is left alone.
  const isUsed =
    vars.EXPORT_TOKEN !== undefined ||
    [cacheType, tasks, sessions, limits, queueType].some(
      (store) => store === 'redis' || store === 'both',
    );
  return {
    cacheType,
    twoLevel: vars.CACHE_TWO_LEVEL && cacheType === 'redis',
    ...(address && isUsed && { redis: address }),
    keyPrefix: `${vars.REDIS_PREFIX}:${vars.ENV ?? vars.NODE_ENV ?? 'development'}:`,
    tasks,
    sessions,
    rateLimit: { store: limits, perMinute: vars.RATE_LIMIT_PER_MINUTE },
    ...(vars.DATABASE_URL && { databaseUrl: vars.DATABASE_URL }),
    queueType,
    queueFallback: queueType === 'redis' && vars.QUEUE_FALLBACK === 'memory',
    jobQueues: vars.JOB_QUEUES ?? [],
    concurrency: vars.WORKER_CONCURRENCY,
    leaseMs: vars.BATCH_LEASE_MS,
    ...(vars.API_TOKEN && { apiToken: vars.API_TOKEN }),
    switches: Object.fromEntries(
      SWITCHES.map((name) => [name, has && vars[name]]),
    ) as Settings['switches'],
    host: vars.HOST,
    port: vars.PORT,
    instance: vars.INSTANCE_ID ?? defaults.instance,
    ...(vars.EXPORT_TOKEN && { exportToken: vars.EXPORT_TOKEN }),
  };
}

function stores(inRedis: boolean, dualWrite: boolean): Stores {
  return inRedis ? (dualWrite ? 'both' : 'redis') : 'memory';
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
