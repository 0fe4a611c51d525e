import * as z from 'zod/mini';
import { control } from './control.js';
import { parseKeyPattern } from './key-pattern.js';
import { migration } from './migration.js';
import { nearest } from './nearest.js';
import { durationText, filled, name, part, sizeText, text, urlText, whole } from './values.js';
import { tasks, worker } from './workers.js';

const hostPort = z
  .string()
  .check(z.regex(/^(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}$/i, 'expected host:port'));
const hostPorts = () => z.array(hostPort).check(z.minLength(1));

const tls = part(() =>
  z
    .strictObject({
      ca: z.optional(text('file with the certificate authority, PEM')),
      cert: z.optional(text('file with the client certificate, PEM')),
      key: z.optional(text('file with the client key, PEM')),
      servername: z.optional(z.string()),
      verify: z._default(z.boolean().check(z.describe('false accepts any certificate')), true),
    })
    .check(z.describe('TLS: own certificate authority and client certificate')),
);

/** A number that may come from a variable, which is text. */
const count = z.union([
  whole(),
  z.pipe(
    z.string().check(z.regex(/^\d+$/, 'expected a whole number')),
    z.transform((digits) => Number(digits)),
  ),
]);

export const redisFields = z
  .strictObject({
    url: z.optional(urlText('redis:', 'rediss:', 'unix:')),
    sentinel: z.optional(
      part(() =>
        z.strictObject({
          name: filled().check(z.describe('name of the master')),
          nodes: hostPorts(),
          username: z.optional(z.string()),
          password: z.optional(z.string()),
        }),
      ),
    ),
    cluster: z.optional(hostPorts()),
    username: z.optional(z.string()),
    password: z.optional(z.string()),
    db: z.optional(count),
    tls: z.optional(z.union([z.boolean(), tls])),
    replica: z._default(
      z.boolean().check(z.describe('a read-only replica is expected here')),
      false,
    ),
    roles: z._default(z.array(z.enum(['cache', 'queue'])).check(z.minLength(1)), ['cache']),
    capacity: z.optional(sizeText.check(z.describe('memory it may use, where maxmemory is 0'))),
    control: z.optional(control),
  })
  .check(
    z.refine((redis) => [redis.url, redis.sentinel, redis.cluster].filter(Boolean).length === 1, {
      error: 'expected exactly one of url, sentinel, cluster',
      when: isMapping,
    }),
  );

/** Checks across fields run even when one of the fields is wrong: all problems are told at once. */
function isMapping({ value }: { value: unknown }): boolean {
  return typeof value === 'object' && value !== null;
}

/** A URL alone stands for a mapping with nothing else. */
const shortForm = z.transform((value: unknown) =>
  typeof value === 'string' ? { url: value } : value,
);

export const redis = z.pipe(shortForm, redisFields);

const postgresFields = z.strictObject({
  url: urlText('postgres:', 'postgresql:'),
  control: z.optional(control),
});
export const postgres = z.pipe(shortForm, postgresFields);

const queue = part(() =>
  z.discriminatedUnion('engine', [
    z.strictObject({
      engine: z.literal('bullmq'),
      redis: z.string(),
      prefix: z._default(z.string(), 'bull'),
      version: z.optional(
        z
          .literal([5, 6])
          .check(
            z.describe(
              'major version of BullMQ that the applications use; for queues that do not tell it themselves',
            ),
          ),
      ),
    }),
    z.strictObject({
      engine: z.literal('pgboss'),
      postgres: z.string(),
      schema: z.optional(text('found by its tables where it is left out')),
    }),
  ]),
);

const request = part(() =>
  z
    .string()
    .check(
      z.regex(/^(GET|PUT|POST|PATCH|DELETE) \/\S*\{key\}\S*$/, 'expected "METHOD /path/{key}"'),
    ),
);

const application = part(() =>
  z.strictObject({
    health: urlText('http:', 'https:'),
    redis: z.optional(text('the Redis it caches in; the first one where it is left out')),
    headers: z._default(
      z.record(z.string(), z.string()).check(z.describe('sent with every request')),
      {},
    ),
    mode: z._default(
      z.strictObject({
        at: z
          .string()
          .check(
            z.regex(/^\//, 'expected a JSON pointer such as /cache'),
            z.describe('JSON pointer into the health answer'),
          ),
        redis: z._default(z.string(), 'redis'),
        memory: z._default(z.string(), 'memory'),
      }),
      { at: '/cache', redis: 'redis', memory: 'memory' },
    ),
    probe: z.optional(
      z
        .strictObject({
          write: request,
          body: z._default(z.string(), '{"value":"{value}","ttl":60}'),
          read: request,
          delete: z.optional(request),
        })
        .check(z.describe('a route that writes to and one that reads from the cache')),
    ),
    tasks: z.optional(tasks),
  }),
);

/** As TYPE says them. */
const VALUE_TYPES = ['string', 'list', 'set', 'zset', 'hash', 'stream'] as const;

const pattern = part(() =>
  filled().check(
    z.superRefine((value, issue) => {
      const parsed = parseKeyPattern(value);
      if ('problem' in parsed) issue.addIssue({ code: 'custom', message: parsed.problem });
    }),
    z.describe('pattern such as {prefix}:{env}:task:{user}:{task}; {name*} takes the rest'),
  ),
);

/** Which keys there may be, how long they may live and how large they may be. */
const keyRule = part(() =>
  z
    .strictObject({
      match: pattern,
      ttl: z.optional(durationText.check(z.describe('time to live; the longest without max_ttl'))),
      max_ttl: z.optional(durationText.check(z.describe('longest time to live'))),
      ttl_required: z._default(
        z.boolean().check(z.describe('a key without a TTL is a finding')),
        true,
      ),
      type: z.optional(z.enum(VALUE_TYPES)),
      max_size: z.optional(sizeText.check(z.describe('largest value'))),
      max_messages: z.optional(
        whole().check(z.describe('longest session: elements of a list, or of a JSON array')),
      ),
    })
    .check(
      z.refine(({ ttl = 0, max_ttl = ttl }) => ttl <= max_ttl, {
        error: 'expected a ttl of at most max_ttl',
        path: ['max_ttl'],
      }),
    ),
);

/** Read by `readRules` and `readSinks`: what is wrong with one must not cost the others. */
export const ruleEntry = z.looseObject({});
export const sinkEntry = z.looseObject({});

const alerts = part(() =>
  z.strictObject({
    interval: z._default(durationText.check(z.describe('time between two checks')), 60_000),
    group_wait: z._default(
      durationText.check(z.describe('alerts of a target are told together after this')),
      30_000,
    ),
    repeat: z._default(
      durationText.check(z.describe('what still fires is told again after this')),
      4 * 3_600_000,
    ),
    heartbeat: z.optional(
      urlText('http:', 'https:').check(z.describe('asked for after each check of alert watch')),
    ),
    rules: z._default(z.array(ruleEntry), []),
    sinks: z._default(z.array(sinkEntry), []),
  }),
);

export const configSchema = z
  .strictObject({
    estate: z._default(z.string(), 'default'),
    environment: z._default(text('"production" guards what destroys'), 'development'),
    redis: z._default(z.record(name, redis), {}),
    postgres: z._default(
      part(() => z.record(name, postgres)),
      {},
    ),
    queues: z._default(z.array(queue), []),
    applications: z._default(z.record(name, application), {}),
    workers: z._default(
      part(() => z.record(name, worker)),
      {},
    ),
    keys: z._default(
      z.strictObject({
        prefix: z._default(text('beginning of every key'), 'cache-ops'),
        environment: z.optional(
          text('what {env} is in keys; the environment where it is left out'),
        ),
        rules: z._default(z.array(keyRule), []),
      }),
      { prefix: 'cache-ops', rules: [] },
    ),
    alerts: z.optional(alerts),
    migration: z._default(migration, { sources: {} }),
    health: z._default(
      z.strictObject({
        sample: z._default(durationText.check(z.describe('over which rates are measured')), 1_000),
      }),
      { sample: 1_000 },
    ),
  })
  .check(z.superRefine(checkReferences, { when: isMapping }));

/** What is named by queues, applications and workers must be there. Values may be of wrong types. */
function checkReferences(config: Loose, issue: z.core.$RefinementCtx): void {
  const refer = (
    kind: 'redis' | 'postgres' | 'applications',
    target: unknown,
    path: (string | number)[],
  ) => {
    if (typeof target !== 'string' || !isMapping({ value: config[kind] })) return;
    const known = Object.keys(config[kind] ?? {});
    if (known.includes(target)) return;
    // A URL in the place of a name may hold a password.
    const what = kind === 'applications' ? 'application' : kind;
    const message = target.includes('://')
      ? `expected the name of a ${what}, found a URL`
      : `no ${what} is named "${target}" (${nearest(target, known)})`;
    issue.addIssue({ code: 'custom', path, message });
  };
  Object.entries(config.queues ?? {}).forEach(([index, entry]) => {
    if (entry?.engine === 'bullmq') refer('redis', entry.redis, ['queues', Number(index), 'redis']);
    if (entry?.engine === 'pgboss')
      refer('postgres', entry.postgres, ['queues', Number(index), 'postgres']);
  });
  for (const [name, entry] of Object.entries(config.applications ?? {})) {
    refer('redis', entry?.redis, ['applications', name, 'redis']);
    refer('postgres', entry?.tasks?.postgres, ['applications', name, 'tasks', 'postgres']);
  }
  for (const [name, entry] of Object.entries(config.workers ?? {}))
    refer('applications', entry?.application, ['workers', name, 'application']);
}

/** The parts that refer to each other, before it is known whether they are right. */
interface Loose {
  redis?: object;
  postgres?: object;
  queues?: ArrayLike<{ engine?: unknown; redis?: unknown; postgres?: unknown } | null>;
  applications?: Record<
    string,
    { redis?: unknown; tasks?: { postgres?: unknown } | null | undefined } | null
  >;
  workers?: Record<string, { application?: unknown } | null>;
}

export type ConfigValues = z.infer<typeof configSchema>;
export type RedisConfig = z.infer<typeof redisFields>;
export type TlsConfig = z.infer<typeof tls>;
export type QueueConfig = z.infer<typeof queue>;
export type ApplicationConfig = z.infer<typeof application>;
export type KeyRule = z.infer<typeof keyRule>;
