import type { LinkStatus } from '../../connection/link.js';
import type { Settings } from '../../settings.js';
import { ok, type Routes } from '../types.js';

/** What `GET /api/health` answers. */
export interface Health {
  status: 'ok';
  /** The mode in use now; with `cache_type` redis, `memory` means degraded. */
  cache: Settings['cacheType'];
  /** The mode that is configured. */
  cache_type: Settings['cacheType'];
  /** `off` when nothing is configured to use Redis. */
  redis: LinkStatus | { status: 'off' };
  /** Where each kind of state is kept. */
  tasks: Settings['tasks'];
  sessions: Settings['sessions'];
  rate_limit: Settings['rateLimit']['store'];
  /** What takes jobs now; with `queue_type` redis, `memory` means degraded. */
  queue: Settings['queueType'];
  queue_type: Settings['queueType'];
  /** Jobs that this process alone has, because Redis was away when they came: waiting and running. */
  queue_memory: { waiting: number; running: number };
  /** The switches of the rollout that are in force. */
  switches: Settings['switches'];
  instance: string;
  uptime_s: number;
}

/** Answers from what is known and asks nobody, so it is as quick while Redis hangs. */
export function healthRoutes(health: () => Health): Routes {
  return { '/api/health': { GET: () => ok(health()) } };
}
