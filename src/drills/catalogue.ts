import type { Experiment } from './experiment.js';

/** Every drill there is. */
export const EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'redis-down',
    summary: 'stop Redis; the applications must go on in memory mode and come back',
    steady: 'redis',
    degraded: 'memory',
    limits: {
      settle: 1_000,
      hold: 3_000,
      maxDegrade: 10_000,
      maxRecover: 30_000,
      deadline: 180_000,
    },
  },
];
