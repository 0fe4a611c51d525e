import type { SharedCounters } from './cache/counters.js';

/** What a user has left in this window. */
export interface Allowance {
  allowed: boolean;
  remaining: number;
  /** Seconds until the next window. */
  resetsIn: number;
}

/** So many requests a window and user, counted by all instances together while Redis is there. */
export class RateLimiter {
  constructor(
    private readonly counters: SharedCounters,
    private readonly limit: number,
    private readonly windowSeconds = 60,
  ) {}

  async take(user: string): Promise<Allowance> {
    const now = Date.now() / 1_000;
    const window = Math.floor(now / this.windowSeconds);
    const used = await this.counters.add(`${user}:${window}`, 1, this.windowSeconds * 2);
    return {
      allowed: used <= this.limit,
      remaining: Math.max(0, this.limit - used),
      resetsIn: Math.ceil((window + 1) * this.windowSeconds - now),
    };
  }
}
