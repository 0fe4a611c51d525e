/**
 * The application side of the estate, as the reference service runs it: `import ... from 'cache-ops/service'`.
 *
 * Caches: `RedisLink` is the one connection of a process and decides whether Redis is used; `FallbackCache`
 * goes on in memory while it is away; `PostgresCache`, `MemoryCache` and `TwoLevelCache` are the others.
 * Queues: `MemoryQueue`, `BullmqQueue` and `PgbossQueue` behind `JobQueue`, and `FallbackQueue`, which goes on
 * in memory while Redis is away. Split tasks: `BatchStore`, `BatchLine` and `BatchRunner`. Work that must be done once:
 * `Executions`, `Locks` and `FencedStore`. All of it as the environment describes it: `settingsFrom` and
 * `openParts`; over HTTP: `startService`.
 */
export { BatchLine } from './batches/line.js';
export { BATCH_KINDS, type Batch, recommendedBatchSize, splitIntoBatches } from './batches/plan.js';
export {
  type BatchEnd,
  type BatchOptions,
  type ItemCall,
  type ItemWork,
  runBatch,
} from './batches/run.js';
export { BatchRunner, type BatchRunnerOptions } from './batches/runner.js';
export { createBatchTables } from './batches/schema.js';
export { BatchStore } from './batches/store.js';
export {
  type BatchRef,
  type Claim,
  FencedError,
  type ItemResult,
  type NewTask,
} from './batches/types.js';
export { SharedCounters } from './cache/counters.js';
export { FallbackCache, type FallbackCacheOptions } from './cache/fallback.js';
export { Creator, type GetOrCreateOptions } from './cache/get-or-create.js';
export { SharedHashes } from './cache/hashes.js';
export { MemoryCache, type MemoryCacheOptions } from './cache/memory.js';
export { PostgresCache, type PostgresCacheOptions, type TableStats } from './cache/postgres.js';
export { RedisCache, type RedisCacheOptions } from './cache/redis.js';
export { TwoLevelCache, type TwoLevelOptions } from './cache/two-level.js';
export type { Cache, CacheStats, Json } from './cache/types.js';
export { type WarmEntry, warmUp } from './cache/warm-up.js';
export type { RedisAddress } from './connection/client.js';
export {
  ForeignValueError,
  type LinkOptions,
  type LinkStatus,
  type Mode,
  type Outlet,
  RedisAwayError,
  RedisLink,
} from './connection/link.js';
export { createPool, type PostgresOptions } from './connection/postgres.js';
export {
  type Execution,
  type ExecutionOptions,
  type ExecutionRecord,
  Executions,
  type Refusal,
} from './execution/executions.js';
export {
  FencedStore,
  type Lock,
  type LockOptions,
  Locks,
  StaleFenceError,
} from './execution/lock.js';
export { createMetrics, type Metrics, type Observed } from './metrics.js';
export { openParts, type Parts } from './parts.js';
export { type BullmqOptions, BullmqQueue } from './queue/bullmq.js';
export { FallbackQueue, type FallbackQueueOptions } from './queue/fallback.js';
export { MemoryQueue, type MemoryQueueOptions } from './queue/memory.js';
export { type QueueState, Queues, type QueuesOptions } from './queue/open.js';
export { type PgbossOptions, PgbossQueue } from './queue/pgboss.js';
export {
  CancelledError,
  type Handler,
  type JobCall,
  type JobProgress,
  type JobQueue,
  type JobState,
  type JobView,
  type PushOptions,
} from './queue/types.js';
export { type Allowance, RateLimiter } from './rate-limit.js';
export { AttemptTimeout, isWorthRetrying, type RetryOptions, retried } from './retry.js';
export { type ServiceOptions, startService } from './server.js';
export {
  MAX_ROUNDS,
  type Message,
  type SessionKind,
  SessionStore,
  type SessionStoreOptions,
} from './sessions.js';
export { type Settings, SettingsError, settingsFrom } from './settings.js';
export { type TaskStatus, TaskStore, type TaskStoreOptions, type TaskUpdate } from './tasks.js';
