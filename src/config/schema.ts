import * as z from 'zod';
import { duration, size } from './units.js';

const sizeText = z.union([z.number().int().nonnegative(), z.string()]).transform((value, issue) => {
  const bytes = typeof value === 'number' ? value : size(value);
  if (bytes !== undefined) return bytes;
  issue.addIssue({ code: 'custom', message: `"${value}" is not a size; write 10kb, 256mb or 1gb` });
  return z.NEVER;
});

const durationText = z
  .union([z.number().int().nonnegative(), z.string()])
  .transform((value, issue) => {
    const ms = typeof value === 'number' ? value : duration(value);
    if (ms !== undefined) return ms;
    issue.addIssue({
      code: 'custom',
      message: `"${value}" is not a duration; write 500ms, 2s, 5m or 1h`,
    });
    return z.NEVER;
  });

const urlText = (...protocols: string[]) =>
  z.string().superRefine((value, issue) => {
    const message = urlProblem(value, protocols);
    if (message) issue.addIssue({ code: 'custom', message });
  });

/** What is wrong with a URL, without repeating it: it may hold a password. */
function urlProblem(value: string, protocols: string[]): string | undefined {
  const expected = protocols.map((protocol) => `${protocol}//`).join(', ');
  if (value === '') return `is empty; expected ${expected}`;
  if (!URL.canParse(value))
    return `is not a URL; expected ${expected} (is a special character in the password not percent-encoded?)`;
  const { protocol } = new URL(value);
  return protocols.includes(protocol)
    ? undefined
    : `starts with ${protocol}//; expected ${expected}`;
}

const hostPort = z.string().regex(/^(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}$/i, 'expected host:port');

const tls = z
  .strictObject({
    ca: z.string().optional().describe('file with the certificate authority, PEM'),
    cert: z.string().optional().describe('file with the client certificate, PEM'),
    key: z.string().optional().describe('file with the client key, PEM'),
    servername: z.string().optional(),
    verify: z.boolean().default(true).describe('false accepts any certificate'),
  })
  .describe('TLS: own certificate authority and client certificate');

const control = z
  .strictObject({
    process: z
      .strictObject({
        pidFile: z.string().optional().describe('checked against the pid that Redis reports'),
        start: z.string().min(1).describe('shell command that starts it again'),
      })
      .optional(),
    command: z.strictObject({ stop: z.string().min(1), start: z.string().min(1) }).optional(),
  })
  .refine((ways) => Object.keys(ways).length === 1, 'expected exactly one way: process or command')
  .describe(
    'how a drill stops and starts it; variables are left to the shell, so no secret is stored',
  );

const redisFields = z
  .strictObject({
    url: urlText('redis:', 'rediss:', 'unix:').optional(),
    sentinel: z
      .strictObject({
        name: z.string().min(1).describe('name of the master'),
        nodes: z.array(hostPort).min(1),
        username: z.string().optional(),
        password: z.string().optional(),
      })
      .optional(),
    cluster: z.array(hostPort).min(1).optional(),
    username: z.string().optional(),
    password: z.string().optional(),
    db: z.number().int().nonnegative().optional(),
    tls: z.union([z.boolean(), tls]).optional(),
    replica: z.boolean().default(false).describe('a read-only replica is expected here'),
    roles: z
      .array(z.enum(['cache', 'queue']))
      .min(1)
      .default(['cache']),
    capacity: sizeText.optional().describe('memory it may use, where maxmemory is 0'),
    control: control.optional(),
  })
  .refine(
    (redis) => [redis.url, redis.sentinel, redis.cluster].filter(Boolean).length === 1,
    'expected exactly one of url, sentinel, cluster',
  );

const redis = z.preprocess(
  (value) => (typeof value === 'string' ? { url: value } : value),
  redisFields,
);

const postgresFields = z.strictObject({ url: urlText('postgres:', 'postgresql:') });
const postgres = z.preprocess(
  (value) => (typeof value === 'string' ? { url: value } : value),
  postgresFields,
);

const queue = z.discriminatedUnion('engine', [
  z.strictObject({
    engine: z.literal('bullmq'),
    redis: z.string(),
    prefix: z.string().default('bull'),
  }),
  z.strictObject({
    engine: z.literal('pgboss'),
    postgres: z.string(),
    schema: z.string().optional().describe('found by its tables where it is left out'),
  }),
]);

const request = z
  .string()
  .regex(/^(GET|PUT|POST|PATCH|DELETE) \/\S*\{key\}\S*$/, 'expected "METHOD /path/{key}"');

const application = z.strictObject({
  health: urlText('http:', 'https:'),
  redis: z
    .string()
    .optional()
    .describe('the Redis it caches in; the first one where it is left out'),
  headers: z.record(z.string(), z.string()).default({}).describe('sent with every request'),
  mode: z
    .strictObject({
      at: z.string().startsWith('/').describe('JSON pointer into the health answer'),
      redis: z.string().default('redis'),
      memory: z.string().default('memory'),
    })
    .default({ at: '/cache', redis: 'redis', memory: 'memory' }),
  probe: z
    .strictObject({
      write: request,
      body: z.string().default('{"value":"{value}","ttl":60}'),
      read: request,
      delete: request.optional(),
    })
    .optional()
    .describe('a route that writes to and one that reads from the cache'),
});

const name = z.string().regex(/^[\w.-]+$/, 'a name has letters, digits, ".", "_" and "-" only');

export const configSchema = z
  .strictObject({
    estate: z.string().default('default'),
    environment: z.string().default('development').describe('"production" guards what destroys'),
    redis: z.record(name, redis).default({}),
    postgres: z.record(name, postgres).default({}),
    queues: z.array(queue).default([]),
    applications: z.record(name, application).default({}),
    keys: z
      .strictObject({ prefix: z.string().default('cache-ops') })
      .default({ prefix: 'cache-ops' }),
    health: z
      .strictObject({
        sample: durationText.default(1_000).describe('over which rates are measured'),
      })
      .default({ sample: 1_000 }),
  })
  .superRefine((config, issue) => {
    const refer = (
      kind: 'redis' | 'postgres',
      target: string | undefined,
      path: (string | number)[],
    ) => {
      if (target === undefined || Object.hasOwn(config[kind], target)) return;
      const known = Object.keys(config[kind]).join(', ') || 'none';
      issue.addIssue({
        code: 'custom',
        path,
        message: `no ${kind} is named "${target}" (known: ${known})`,
      });
    };
    config.queues.forEach((entry, index) => {
      if (entry.engine === 'bullmq') refer('redis', entry.redis, ['queues', index, 'redis']);
      else refer('postgres', entry.postgres, ['queues', index, 'postgres']);
    });
    for (const [key, entry] of Object.entries(config.applications)) {
      refer('redis', entry.redis, ['applications', key, 'redis']);
    }
  });

export type ConfigValues = z.infer<typeof configSchema>;
export type RedisConfig = z.infer<typeof redisFields>;
export type TlsConfig = z.infer<typeof tls>;
export type ControlConfig = z.infer<typeof control>;
export type PostgresConfig = z.infer<typeof postgresFields>;
export type QueueConfig = z.infer<typeof queue>;
export type ApplicationConfig = z.infer<typeof application>;
