import * as z from 'zod/mini';
import { findingSchema, STATUSES } from '../health/finding.js';
import { memoryUse } from '../redis/memory.js';

const count = z.nullable(z.number());
const bytes = count.check(z.describe('bytes'));
const moment = z.nullable(z.iso.datetime());

/** A finding, and the line to type that mends it; null where no one line does. */
const mendable = z.extend(findingSchema, { mend: z.nullable(z.string()) });
export type Mendable = z.infer<typeof mendable>;

const databaseMemory = z.object({
  db: z.number(),
  keys: z.number(),
  expires: z.number(),
  no_ttl: z.number().check(z.describe('keys that never expire')),
  avg_ttl_ms: count,
  /** What the tables of keys and of times to live take beside the keys themselves. */
  main_table_bytes: bytes,
  expires_table_bytes: bytes,
});
export type DatabaseMemory = z.infer<typeof databaseMemory>;

/** Where the bytes of a server are; null is "not said": the version, the fork or the rights lack it. */
const breakdown = z.object({
  dataset_bytes: bytes,
  /** Everything that is not data: what it had at its start, buffers, tables of keys, scripts. */
  overhead_bytes: bytes,
  startup_bytes: bytes,
  tables_bytes: bytes,
  clients: z.object({
    /** Buffers of ordinary and subscribed clients. */
    normal_bytes: bytes,
    /** Of these, of subscribed ones. */
    pubsub_bytes: bytes,
    connected: count,
  }),
  replication: z.object({ backlog_bytes: bytes, buffers_bytes: bytes }),
  cluster_links_bytes: bytes,
  scripts: z.object({
    cached: count,
    cached_bytes: bytes,
    functions: count,
    functions_bytes: bytes,
    /** The interpreters' own memory; since Redis 7 it lies beside used_memory. */
    vm_bytes: bytes,
  }),
  aof: z.object({ buffer_bytes: bytes, rewrite_buffer_bytes: bytes }),
  /** As the system counts it. */
  rss_bytes: bytes,
  allocator: z.object({
    name: z.nullable(z.string()),
    allocated_bytes: bytes,
    active_bytes: bytes,
    resident_bytes: bytes,
  }),
  fragmentation: z.object({
    /** rss over used, and their difference. */
    ratio: count,
    bytes,
    /** Within pages that are in use, and pages that the allocator keeps though they are empty. */
    allocator_ratio: count,
    allocator_bytes: bytes,
    kept_ratio: count,
    kept_bytes: bytes,
  }),
});
export type Breakdown = z.infer<typeof breakdown>;

/** When memory reaches 80 and 100 % of its limit. A moment in the past: it has. */
const reaches = { reaches_80: moment, reaches_100: moment };

const trend = z.object({
  /** The samples that it rests on, of this command's earlier runs since the last restart or flush. */
  samples: z.number(),
  span_ms: z.number(),
  bytes_per_day: count,
  ...reaches,
  /** Why there is no forecast; null when there is one. */
  reason: z.nullable(z.string()),
});
export type Trend = z.infer<typeof trend>;

/** What happened within `--sample`. */
const rate = z.object({
  over_ms: z.number(),
  bytes_per_s: count,
  keys_per_s: count,
  evicted: count,
  expired: count,
  ...reaches,
});
export type Rate = z.infer<typeof rate>;

const serverFigures = z.object({
  role: z.nullable(z.enum(['master', 'replica', 'sentinel'])),
  version: z.nullable(z.string()),
  uptime_s: count,
  memory: z.extend(memoryUse, {
    peak_bytes: bytes,
    maxmemory_bytes: bytes,
    /** Only of a server that runs on this machine beyond doubt. */
    cgroup_bytes: bytes,
    host_bytes: bytes,
  }),
  /** What the eviction policy means for the keys that are here. */
  policy_meaning: z.string(),
  /** Since the server started or its statistics were reset. */
  evicted_keys: count,
  expired_keys: count,
  /** Writes that were refused for want of memory. */
  refused_writes: count,
  keys: count,
  no_ttl: count,
  breakdown,
  databases: z.array(databaseMemory),
  trend,
  rate: z.nullable(rate),
  /** What the server did not answer, and why. */
  missing: z.array(z.object({ command: z.string(), reason: z.string() })),
});
export type ServerFigures = z.infer<typeof serverFigures>;

const serverMemory = z.object({
  target: z.string(),
  address: z.string(),
  reachable: z.boolean(),
  status: z.enum(STATUSES),
  findings: z.array(mendable),
  ...z.partial(serverFigures).shape,
});
export type ServerMemory = z.infer<typeof serverMemory>;

/** What `memory --json` prints. */
export const overviewResult = z.object({
  status: z.enum(STATUSES),
  at: z.iso.datetime(),
  sample_ms: z.number(),
  servers: z.array(serverMemory),
  /** Why the sample for the trend could not be kept; null when it was. */
  unwritable: z.nullable(z.string()),
});
export type OverviewResult = z.infer<typeof overviewResult>;
