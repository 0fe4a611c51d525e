import { FallbackCache } from './cache/fallback.js';
import { MemoryCache } from './cache/memory.js';
import { RedisLink } from './connection/link.js';
import { cacheRoutes } from './http/routes/cache.js';
import { exportRoutes } from './http/routes/export.js';
import { healthRoutes } from './http/routes/health.js';
import { taskRoutes } from './http/routes/tasks.js';
import { type HttpService, listen } from './http/server.js';
import type { Settings } from './settings.js';
import { TaskStore } from './tasks.js';

export interface ServiceOptions {
  /** Hears of failures that are ours (a 500). Default: nobody. */
  onError?: (error: unknown) => void;
}

/**
 * Starts the reference service: cache, task status and health over HTTP. Resolves when it listens,
 * within about a third of a second even if Redis is away; rejects when the port cannot be opened.
 */
export async function startService(
  settings: Settings,
  options: ServiceOptions = {},
): Promise<HttpService> {
  const started = performance.now();
  const link = settings.redis && openLink(settings, settings.redis);
  const closers: (() => unknown)[] = [];
  const onRedis = (name: string) => {
    if (!link) throw new TypeError(`${name} is to be in Redis, and no Redis is given`);
    return closing(new FallbackCache({ link, prefix: settings.keyPrefix + name }), closers);
  };
  const cache =
    settings.cacheType === 'redis' ? onRedis('cache:') : closing(new MemoryCache(), closers);
  const movable = settings.exportToken !== undefined && link !== undefined;
  const tasks = new TaskStore({
    mode: settings.tasks,
    // With the routes for a migration, status can be moved while the service runs.
    redis: settings.tasks !== 'memory' || movable ? onRedis('task:import:') : undefined,
    memory: settings.tasks !== 'redis' || movable ? closing(new MemoryCache(), closers) : undefined,
  });
  const close = async () => {
    await link?.close();
    for (const closer of closers) closer();
  };
  await link?.start();
  const health = () => ({
    status: 'ok' as const,
    cache: settings.cacheType === 'redis' && link ? link.mode : ('memory' as const),
    cache_type: settings.cacheType,
    redis: link?.status() ?? { status: 'off' as const },
    instance: settings.instance,
    uptime_s: Math.round((performance.now() - started) / 10) / 100,
  });
  const { host, port, exportToken } = settings;
  const routes = {
    ...healthRoutes(health),
    ...cacheRoutes(cache),
    ...taskRoutes(tasks),
    ...(exportToken && exportRoutes(tasks, exportToken)),
  };
  try {
    const http = await listen(routes, { host, port, onError: options.onError ?? (() => {}) });
    return {
      url: http.url,
      async close() {
        await http.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function openLink(settings: Settings, address: NonNullable<Settings['redis']>): RedisLink {
  return new RedisLink({
    address,
    probeKey: `${settings.keyPrefix}probe:${settings.instance}`,
  });
}

function closing<T extends { close(): void }>(store: T, closers: (() => unknown)[]): T {
  closers.push(() => store.close());
  return store;
}
