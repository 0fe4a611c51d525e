import type { Config } from '../../config/load.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import type { Plan } from '../../migration/plan/store.js';
import { postgresTargets } from '../../postgres/target.js';
import type { JobAdder } from '../../queues/adding.js';
import { describe, type RedisTarget } from '../../redis/target.js';
import { targetNamed } from './place.js';

/** Where jobs are added. */
export interface Queues {
  adder: JobAdder;
  /** Undefined: they are in a Postgres. */
  redis: RedisTarget | undefined;
  target: string;
  address: string;
}

/** The queues of a Redis (BullMQ) or of a Postgres (pg-boss), as the configuration has them. */
export async function openQueues(context: Context, config: Config, text: string): Promise<Queues> {
  const limits = { timeout: context.settings.timeout, signal: context.signal };
  if (text.startsWith('postgres:')) {
    const name = text.slice('postgres:'.length);
    const target = postgresTargets(config).find((one) => one.name === name);
    if (!target) throw new CacheOpsError('not_found', `no Postgres is named "${name}"`);
    const queue = config.queues.find((one) => one.engine === 'pgboss' && one.postgres === name);
    const schema = queue?.engine === 'pgboss' ? queue.schema : undefined;
    const { pgbossAdder } = await import('../../queues/pgboss/adding.js');
    const adder = pgbossAdder(target, schema, limits);
    return { adder, redis: undefined, target: text, address: target.address };
  }
  const target = targetNamed(config, text);
  const queue = config.queues.find((one) => one.engine === 'bullmq' && one.redis === target.name);
  const prefix = queue?.engine === 'bullmq' ? queue.prefix : 'bull';
  const { bullmqAdder } = await import('../../queues/bullmq/adding.js');
  return {
    adder: bullmqAdder(target, prefix, limits),
    redis: target,
    target: `redis:${target.name}`,
    address: describe(target),
  };
}

/** Runs `work` with the queues of a plan, which must be those that it was made for. */
export async function atQueues<T>(
  context: Context,
  plan: Plan,
  work: (queues: Queues) => Promise<T>,
): Promise<T> {
  const config = await context.config();
  const queues = await openQueues(context, config, plan.target);
  try {
    if (queues.address !== plan.address || config.environment !== plan.environment)
      throw new CacheOpsError(
        'refused',
        `${plan.id} was made for another estate: ${plan.environment}, ${plan.target} at ${plan.address}`,
        'use the configuration that it was made with',
      );
    return await work(queues);
  } finally {
    await queues.adder.close();
  }
}
