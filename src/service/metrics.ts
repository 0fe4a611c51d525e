import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Cache } from './cache/types.js';
import type { QueueState } from './queue/open.js';

export interface Observed {
  cache: Cache;
  /** `redis`, `memory` or `postgres`: the mode in use now. */
  mode: () => string;
  redisUp: () => boolean;
  queues: () => QueueState;
}

/** What Prometheus reads of one instance. */
export interface Metrics {
  /** The exposition text and its content type. */
  text(): Promise<string>;
  readonly contentType: string;
  /** One request that was answered: the route's template, never a path with ids in it. */
  request(method: string, route: string, status: number, seconds: number): void;
  /** An item of a batch that was worked on. */
  item(status: 'success' | 'failed' | 'conflict'): void;
}

const CACHE_MODES = ['redis', 'memory', 'postgres'];
const QUEUE_MODES = ['redis', 'memory', 'pgboss'];

export function createMetrics({ cache, mode, redisUp, queues }: Observed): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // The cache counts for itself: at every scrape the counter becomes what the cache has.
  const ofCache = (name: string, help: string, read: () => Record<string, number>) =>
    new Counter({
      name,
      help,
      labelNames: ['result'],
      registers,
      collect() {
        this.reset();
        for (const [result, value] of Object.entries(read())) this.inc({ result }, value);
      },
    });
  ofCache('cache_requests_total', 'Reads of the cache by their result', () => {
    const { hits, misses } = cache.stats();
    return { hit: hits, miss: misses };
  });
  ofCache('cache_operations_total', 'Writes of the cache, and failures of its store', () => {
    const { sets, errors } = cache.stats();
    return { set: sets, error: errors };
  });
  const ofMode = (name: string, modes: readonly string[], now: () => string) =>
    new Gauge({
      name,
      help: '1 for the mode in use',
      labelNames: ['mode'],
      registers,
      collect() {
        for (const one of modes) this.set({ mode: one }, Number(one === now()));
      },
    });
  ofMode('cache_mode', CACHE_MODES, mode);
  ofMode('queue_mode', QUEUE_MODES, () => queues().mode);
  new Gauge({
    name: 'queue_memory_jobs',
    help: 'Jobs that this process alone has because Redis was away when they came',
    labelNames: ['state'],
    registers,
    collect() {
      const { waiting, running } = queues().memory;
      this.set({ state: 'waiting' }, waiting);
      this.set({ state: 'running' }, running);
    },
  });
  new Gauge({
    name: 'redis_up',
    help: '1 while Redis is used',
    registers,
    collect() {
      this.set(Number(redisUp()));
    },
  });
  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to the answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers,
  });
  const items = new Counter({
    name: 'batch_items_total',
    help: 'Items of split tasks that this instance has worked on',
    labelNames: ['status'],
    registers,
  });
  return {
    text: () => registry.metrics(),
    contentType: registry.contentType,
    request: (method, route, status, seconds) =>
      requests.observe({ method, route, status: String(status) }, seconds),
    item: (status) => items.inc({ status }),
  };
}
