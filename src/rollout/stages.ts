/** The stages of moving to Redis, and the way back from each. */
export const STAGES = {
  0: {
    name: 'Redis is deployed, and not used',
    back: 'nothing to take back: no application uses it',
  },
  1: {
    name: 'task status in Redis',
    back: 'REDIS_TASK_STATUS_ENABLED=false and restart the applications, one after the other',
  },
  2: {
    name: 'sessions in Redis',
    back: 'REDIS_CHAT_SESSION_ENABLED=false and restart the applications, one after the other',
  },
  3: {
    name: 'caching and rate limits in Redis',
    back: 'CACHE_TYPE=memory (or REDIS_CACHE_ENABLED=false), REDIS_RATE_LIMIT_ENABLED=false, and restart',
  },
} as const;

export type Stage = keyof typeof STAGES;

/** A check of a stage. `detail` is the figure of a pass, the reason of anything else. */
export interface Check {
  subject: string;
  check: string;
  status: 'passed' | 'failed' | 'skipped';
  ms: number;
  detail: string | null;
}

/** The check of stage 0 that restarts Redis. */
export const SURVIVES = 'data survives a restart';

/** What a check needs to say that it cannot be made here. */
export class Skip extends Error {
  override readonly name = 'Skip';
}

/** Runs one check: what it throws is its failure. */
export async function runCheck(
  subject: string,
  check: string,
  work: () => Promise<string | undefined>,
): Promise<Check> {
  const start = performance.now();
  const took = () => Math.round((performance.now() - start) * 1_000) / 1_000;
  try {
    const detail = (await work()) ?? null;
    return { subject, check, status: 'passed', ms: took(), detail };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const status = error instanceof Skip ? 'skipped' : 'failed';
    return { subject, check, status, ms: took(), detail };
  }
}
