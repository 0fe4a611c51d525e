import { setTimeout as delay } from 'node:timers/promises';

/** Time as the delivery of alerts sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Rejects with an AbortError when `signal` is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export function clockOf(now: () => number): Clock {
  return { now, sleep: (ms, signal) => delay(ms, undefined, signal && { signal }) };
}
