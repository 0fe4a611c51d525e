import type { Figures, Kind } from '../health/metrics.js';

/**
 * What is watched, as it was seen: `redis:main`, `redis:main/10.0.0.2:6379` where a target has several
 * servers, `postgres:main`, `queue:main/bull:mail`, `application:backend`.
 */
export interface Subject {
  kind: Kind;
  name: string;
  /** What its alerts are told together with: the target. */
  group: string;
  /** While this is down, nothing else of the subject is worth a message. */
  within: string | null;
  /** `unread`: it cannot be looked at, and what it is in has a line of its own. */
  state: 'up' | 'down' | 'loading' | 'unread';
  /** Why it is not up. */
  reason: string;
  /** Null unless it is up. */
  figures: Figures[Kind] | null;
}
