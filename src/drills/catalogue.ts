import type { Experiment } from './experiment.js';
import { releaseCanary } from './witnesses/canary.js';
import { callSettings } from './witnesses/settings.js';

const LIMITS = {
  settle: 1_000,
  hold: 3_000,
  maxDegrade: 10_000,
  maxRecover: 30_000,
  deadline: 180_000,
};

/** Every drill there is. */
export const EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'redis-down',
    summary: 'stop Redis; the applications must go on in memory mode and come back',
    effect: 'stop',
    steady: 'redis',
    degraded: 'memory',
    outage: true,
    words: {
      ask: 'Stop Redis',
      breaking: 'stopping Redis',
      broken: 'Redis is stopped',
      mending: 'starting Redis again',
    },
    witnesses: [releaseCanary, callSettings],
    limits: LIMITS,
  },
  {
    name: 'redis-hang',
    summary:
      'let Redis hang with its connections open; only time-outs of their own help the applications',
    effect: 'hang',
    steady: 'redis',
    degraded: 'memory',
    outage: true,
    words: {
      ask: 'Let Redis hang',
      breaking: 'letting Redis hang',
      broken: 'Redis hangs',
      mending: 'letting Redis go on',
    },
    witnesses: [releaseCanary, callSettings],
    limits: { ...LIMITS, maxDegrade: 5_000 },
  },
];
