import type { Config } from '../config/load.js';
import { postgresTargets } from '../postgres/target.js';
import type { Limits } from '../redis/channel.js';
import { redisTarget } from '../redis/target.js';
import { openBullmq } from './bullmq/engine.js';
import type { Engine } from './engine.js';
import { openPgboss } from './pgboss/engine.js';

/**
 * Opens every engine of the configuration (connections are made at the first use), runs `work`, and
 * closes them. One engine for a Redis or Postgres, however many entries name it.
 */
export async function withEngines<T>(
  config: Config,
  limits: Limits,
  work: (engines: Engine[]) => Promise<T>,
): Promise<T> {
  const engines = [...bullmqEngines(config, limits), ...bossEngines(config, limits)];
  try {
    return await work(engines);
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
  }
}

function bullmqEngines(config: Config, limits: Limits): Engine[] {
  const entries = config.queues.filter((entry) => entry.engine === 'bullmq');
  return [...new Set(entries.map(({ redis }) => redis))].map((name) => {
    const known = entries.filter(({ redis }) => redis === name);
    return openBullmq(redisTarget(config, name), known, limits);
  });
}

function bossEngines(config: Config, limits: Limits): Engine[] {
  const entries = config.queues.filter((entry) => entry.engine === 'pgboss');
  return postgresTargets(config).flatMap((target) => {
    const schemas = entries.filter((entry) => entry.postgres === target.name);
    if (schemas.length === 0) return [];
    // An entry without a schema means all of them.
    const named = schemas.flatMap(({ schema }) => schema ?? []);
    return [openPgboss(target, named.length === schemas.length ? named : undefined, limits)];
  });
}
