import { PAUSE_LIMIT } from '../faults/hang.js';
import type { Driver } from './driver.js';
import { refused } from './rehearse.js';

/** Nothing but a connection to Redis that may change its settings. */
export const connectionDriver: Driver = {
  name: 'connection',
  async hang({ limits }) {
    const ms = limits.maxDegrade + limits.hold;
    if (ms > PAUSE_LIMIT) {
      throw refused(
        `over the connection alone Redis hangs for ${PAUSE_LIMIT / 1_000} s at most, and this would take ${ms / 1_000} s`,
        'lower --max-degrade or --hold; CLIENT PAUSE cannot be ended early',
      );
    }
    return { kind: 'pause', ms };
  },
};
