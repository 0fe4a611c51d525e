import { limited } from './http/limited.js';
import { cacheRoutes } from './http/routes/cache.js';
import { executionRoutes } from './http/routes/executions.js';
import { exportRoutes } from './http/routes/export.js';
import { healthRoutes } from './http/routes/health.js';
import { screeningRoutes } from './http/routes/screening.js';
import { sessionRoutes } from './http/routes/sessions.js';
import { taskRoutes } from './http/routes/tasks.js';
import { type HttpService, listen } from './http/server.js';
import type { Routes } from './http/types.js';
import { createMetrics, type Metrics } from './metrics.js';
import { openParts, type Parts } from './parts.js';
import type { Settings } from './settings.js';

export interface ServiceOptions {
  /** Hears of failures that are ours (a 500). Default: nobody. */
  onError?: (error: unknown) => void;
}

/**
 * Starts the reference service over HTTP: cache, task status, sessions, split tasks, executions, health,
 * metrics. Resolves when it listens, within about a third of a second even if Redis is away; rejects when
 * the port cannot be opened.
 */
export async function startService(
  settings: Settings,
  { onError = () => {} }: ServiceOptions = {},
): Promise<HttpService> {
  const started = performance.now();
  const parts = openParts(settings, { onError, onItem: (status) => metrics.item(status) });
  const { link, cache, batches } = parts;
  const mode = () => (settings.cacheType === 'redis' && link ? link.mode : settings.cacheType);
  const metrics = createMetrics({ cache, mode, redisUp: () => link?.mode === 'redis' });
  await link?.start();
  batches?.runner.start();
  const health = () => ({
    status: 'ok' as const,
    cache: mode(),
    cache_type: settings.cacheType,
    redis: link?.status() ?? { status: 'off' as const },
    tasks: settings.tasks,
    sessions: settings.sessions,
    rate_limit: settings.rateLimit.store,
    queue: settings.queueType,
    switches: settings.switches,
    instance: settings.instance,
    uptime_s: Math.round((performance.now() - started) / 10) / 100,
  });
  const { host, port, apiToken, exportToken } = settings;
  const routes = {
    ...healthRoutes(health),
    ...routesOf(parts, metrics, onError),
    ...(exportToken && exportRoutes(parts.tasks, exportToken)),
  };
  try {
    const http = await listen(routes, {
      host,
      port,
      onError,
      token: apiToken,
      onAnswer: metrics.request,
    });
    return {
      url: http.url,
      async close() {
        await http.close();
        await parts.close();
      },
    };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

function routesOf(parts: Parts, metrics: Metrics, onError: (error: unknown) => void): Routes {
  const { cache, tasks, sessions, limiter, executions, batches } = parts;
  return {
    ...cacheRoutes(cache),
    ...limited({ ...taskRoutes(tasks), ...sessionRoutes(sessions) }, limiter),
    ...(executions && executionRoutes(executions, onError)),
    ...(batches && screeningRoutes(batches.runner, batches.store, onError)),
    '/metrics': {
      GET: async () => ({ status: 200, body: await metrics.text(), type: metrics.contentType }),
    },
  };
}
