import type { LinkStatus, Mode } from '../../connection/link.js';
import { ok, type Routes } from '../types.js';

/** What `GET /api/health` answers. */
export interface Health {
  status: 'ok';
  /** The mode in use now; with `cache_type` redis, `memory` means degraded. */
  cache: Mode;
  /** The mode that is configured. */
  cache_type: Mode;
  /** `off` when nothing is configured to use Redis. */
  redis: LinkStatus | { status: 'off' };
  instance: string;
  uptime_s: number;
}

/** Answers from what is known and asks nobody, so it is as quick while Redis hangs. */
export function healthRoutes(health: () => Health): Routes {
  return { '/api/health': { GET: () => ok(health()) } };
}
