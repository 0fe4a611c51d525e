import type pg from 'pg';
import { BatchRunner, type BatchRunnerOptions } from './batches/runner.js';
import { screen } from './batches/screen.js';
import { BatchStore } from './batches/store.js';
import { SharedCounters } from './cache/counters.js';
import { FallbackCache } from './cache/fallback.js';
import { Creator } from './cache/get-or-create.js';
import { SharedHashes } from './cache/hashes.js';
import { MemoryCache } from './cache/memory.js';
import { PostgresCache } from './cache/postgres.js';
import { TwoLevelCache } from './cache/two-level.js';
import type { Cache } from './cache/types.js';
import { RedisLink } from './connection/link.js';
import { createPool } from './connection/postgres.js';
import { Executions } from './execution/executions.js';
import { Jobs } from './jobs.js';
import { Queues } from './queue/open.js';
import { RateLimiter } from './rate-limit.js';
import { SessionStore } from './sessions.js';
import type { Settings, Stores } from './settings.js';
import { TaskStore } from './tasks.js';

/** Everything an application has, as its settings describe it. */
export interface Parts {
  link: RedisLink | undefined;
  cache: Cache;
  creator: Creator;
  hashes: SharedHashes;
  counters: SharedCounters;
  tasks: TaskStore;
  sessions: SessionStore;
  limiter: RateLimiter | undefined;
  executions: Executions | undefined;
  queues: Queues;
  jobs: Jobs;
  batches: { store: BatchStore; runner: BatchRunner } | undefined;
  close(): Promise<void>;
}

interface Hooks {
  onError: (error: unknown) => void;
  /** Hears of every item of a batch that was worked on. */
  onItem: (status: 'success' | 'failed' | 'conflict') => void;
}

/** Opens nothing but what is asked for; connections are made by `link.start()` and with the first query. */
export function openParts(settings: Settings, hooks: Hooks): Parts {
  const { keyPrefix, instance } = settings;
  const closers: (() => unknown)[] = [];
  const closing = <T extends { close(): unknown }>(part: T): T => {
    closers.unshift(() => part.close());
    return part;
  };
  const pool = settings.databaseUrl ? openPool(settings.databaseUrl, settings, hooks) : undefined;
  if (pool) closers.unshift(() => pool.end());
  const link =
    settings.redis &&
    closing(new RedisLink({ address: settings.redis, probeKey: `${keyPrefix}probe:${instance}` }));
  const onRedis = (name: string) => {
    if (!link) throw new TypeError(`${name} is to be in Redis, and no Redis is given`);
    return closing(new FallbackCache({ link, prefix: keyPrefix + name }));
  };
  const storesFor = (where: Stores, name: string) => ({
    redis: where === 'memory' ? undefined : onRedis(name),
    memory: where === 'redis' ? undefined : closing(new MemoryCache()),
  });
  const queues = closing(new Queues({ settings, link, pool, onError: hooks.onError }));
  const cache = openCache();
  const { perMinute, store } = settings.rateLimit;
  const requests = new SharedCounters(store === 'redis' ? link : undefined, `${keyPrefix}rate:`);
  // What is shared goes where the cache is.
  const shared = settings.cacheType === 'redis' ? link : undefined;
  return {
    link,
    cache,
    creator: new Creator(cache, shared, { keyPrefix, owner: instance }),
    hashes: new SharedHashes(shared, `${keyPrefix}hash:`),
    counters: new SharedCounters(shared, `${keyPrefix}counter:`),
    // With the routes for a migration, status can be moved while the service runs.
    tasks: new TaskStore({
      mode: settings.tasks,
      ...storesFor(settings.exportToken && link ? 'both' : settings.tasks, 'task:import:'),
    }),
    sessions: new SessionStore(storesFor(settings.sessions, 'chat:')),
    limiter: perMinute > 0 ? new RateLimiter(requests, perMinute) : undefined,
    executions: link && new Executions(link.client, { keyPrefix, owner: instance }),
    queues,
    jobs: closing(new Jobs(queues, settings.jobQueues, hooks.onError)),
    batches: pool && openBatches(pool),
    async close() {
      for (const close of closers) await close();
    },
  };

  function openCache(): Cache {
    if (settings.cacheType === 'postgres' && pool)
      return closing(new PostgresCache({ pool, onError: hooks.onError }));
    if (settings.cacheType !== 'redis' || !link) return closing(new MemoryCache());
    const shared = onRedis('cache:');
    if (!settings.twoLevel) return shared;
    return closing(new TwoLevelCache({ shared, link, channel: `${keyPrefix}cache-changes` }));
  }

  function openBatches(from: pg.Pool) {
    const batches = new BatchStore(from);
    const options: BatchRunnerOptions = {
      store: batches,
      openQueue: (kind) => queues.open(kind),
      work: async (item, call) => {
        try {
          const result = await screen(item, call);
          hooks.onItem(result.status);
          return result;
        } catch (error) {
          hooks.onItem('failed');
          throw error;
        }
      },
      worker: instance,
      concurrency: settings.concurrency,
      leaseMs: settings.leaseMs,
      onError: hooks.onError,
    };
    return { store: batches, runner: closing(new BatchRunner(options)) };
  }
}

function openPool(url: string, { concurrency }: Settings, { onError }: Hooks): pg.Pool {
  return createPool({ url, max: Math.min(5 + concurrency, 20), onError });
}
