import * as z from 'zod/mini';
import { memoryUse } from '../redis/memory.js';
import { findingSchema, STATUSES } from './finding.js';

const count = z.nullable(z.number());
const line = { status: z.enum(STATUSES), findings: z.array(findingSchema) };

/** Figures of one Redis; null is "not said": the version, the fork or the user's rights lack it. */
export const redisFigures = z.object({
  role: z.nullable(z.enum(['master', 'replica', 'sentinel'])),
  version: z.nullable(z.string()),
  uptime_s: count,
  /** Round trips of PING over an open connection. */
  latency_ms: z.nullable(z.object({ p50: z.number(), p95: z.number(), max: z.number() })),
  memory: memoryUse,
  clients: z.object({ connected: count, limit: count }),
  operations_per_s: count,
  hit_rate: z.object({ sample: count, sample_lookups: count, since_boot: count }),
  /** In the sample, and since the server started or its statistics were reset. */
  evictions: z.object({ sample: count, since_boot: count }),
  rejected_connections: z.object({ sample: count, since_boot: count }),
  fragmentation: count,
  persistence: z.object({
    aof: z.nullable(z.enum(['off', 'ok', 'err'])),
    rdb: z.nullable(z.enum(['off', 'ok', 'err'])),
    last_save_age_s: count,
  }),
  replication: z.object({
    replicas: count,
    link: z.nullable(z.enum(['up', 'down'])),
    lag_s: count,
  }),
  cluster_state: z.nullable(z.string()),
  slowlog: count,
  keys: count,
  /** The server's own name for its life: another one after a restart. */
  run_id: z.nullable(z.string()),
  /** Since the server started or its statistics were reset, for whoever looks again later. */
  counters: z.record(z.string(), z.number()),
});
export type RedisFigures = z.infer<typeof redisFigures>;

const redisLine = z.object({
  target: z.string(),
  address: z.string(),
  ...line,
  ...z.partial(redisFigures).shape,
});
export type RedisLine = z.infer<typeof redisLine>;

const postgresLine = z.object({
  target: z.string(),
  address: z.string(),
  ...line,
  version: z.nullable(z.string()),
  latency_ms: count,
  connections: z.object({ used: count, limit: count }),
  pgboss: z.array(z.object({ schema: z.string(), version: z.number() })),
  /** Since pg-boss last looked after its jobs, in the schema where it is longest ago. */
  maintenance_age_ms: count,
  /** Rows of the table app_cache that have expired and are still there; null where there is no such table. */
  app_cache: z.nullable(z.object({ expired_rows: count, overdue_ms: count })),
});
export type PostgresLine = z.infer<typeof postgresLine>;

const queueLine = z.object({
  engine: z.enum(['bullmq', 'pgboss']),
  source: z.string(),
  scope: z.string(),
  /** Null: the queues could not be read, and the finding says why. */
  queue: z.nullable(z.string()),
  ...line,
  waiting: count,
  active: count,
  delayed: count,
  blocked: count,
  completed: count,
  failed: count,
  oldest_waiting_ms: count,
  paused: z.nullable(z.boolean()),
  workers: count,
  failed_last_hour: count,
  /** Active jobs whose lock (BullMQ) or time (pg-boss) has expired. */
  stalled: count,
});
export type QueueLine = z.infer<typeof queueLine>;

const applicationLine = z.object({
  name: z.string(),
  ...line,
  mode: z.enum(['redis', 'memory', 'unknown']),
  latency_ms: count,
});
export type ApplicationLine = z.infer<typeof applicationLine>;

/** The estate at one moment: what `health --json` prints. */
export const healthResult = z.object({
  status: z.enum(STATUSES),
  estate: z.string(),
  environment: z.string(),
  at: z.iso.datetime(),
  took_ms: z.number(),
  sample_ms: z.number(),
  redis: z.array(redisLine),
  postgres: z.array(postgresLine),
  queues: z.array(queueLine),
  applications: z.array(applicationLine),
});
export type HealthResult = z.infer<typeof healthResult>;
