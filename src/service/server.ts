import { limited } from './http/limited.js';
import { cacheRoutes } from './http/routes/cache.js';
import { executionRoutes } from './http/routes/executions.js';
import { exportRoutes } from './http/routes/export.js';
import { type Health, healthRoutes } from './http/routes/health.js';
import { jobRoutes } from './http/routes/jobs.js';
import { screeningRoutes } from './http/routes/screening.js';
import { sessionRoutes } from './http/routes/sessions.js';
import { sharedRoutes } from './http/routes/shared.js';
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
  const { link, cache, batches, queues, jobs } = parts;
  const mode = () => (settings.cacheType === 'redis' && link ? link.mode : settings.cacheType);
  const metrics = createMetrics({
    ...{ cache, mode, redisUp: () => link?.mode === 'redis' },
    queues: () => queues.state(),
  });
  await link?.start();
  batches?.runner.start();
  jobs.start(settings.concurrency);
  const health = (): Health => {
    const { mode: queue, memory: queue_memory } = queues.state();
    return {
      status: 'ok',
      cache: mode(),
      cache_type: settings.cacheType,
      redis: link?.status() ?? { status: 'off' },
      tasks: settings.tasks,
      sessions: settings.sessions,
      rate_limit: settings.rateLimit.store,
      ...{ queue, queue_type: settings.queueType, queue_memory },
      switches: settings.switches,
      instance: settings.instance,
      uptime_s: Math.round((performance.now() - started) / 10) / 100,
    };
  };
  const { host, port, apiToken, exportToken } = settings;
  const routes = {
    ...healthRoutes(health),
    ...routesOf(settings, parts, metrics, onError),
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

function routesOf(
  settings: Settings,
  parts: Parts,
  metrics: Metrics,
  onError: (error: unknown) => void,
): Routes {
  const { cache, tasks, sessions, limiter, executions, batches, jobs } = parts;
  return {
    ...cacheRoutes(cache),
    ...sharedRoutes(parts, onError),
    ...limited({ ...taskRoutes(tasks), ...sessionRoutes(sessions) }, limiter),
    ...(settings.jobQueues.length > 0 && jobRoutes(jobs, onError)),
    ...(executions && executionRoutes(executions, onError)),
    ...(batches && screeningRoutes(batches.runner, batches.store, jobs, onError)),
    '/metrics': {
      GET: async () => ({ status: 200, body: await metrics.text(), type: metrics.contentType }),
    },
  };
}
