import type { Config } from '../config/load.js';
import { postgresTargets } from '../postgres/target.js';
import type { Limits } from '../redis/channel.js';
import { redisTarget } from '../redis/target.js';
import type { Engine } from './engine.js';

/**
 * Opens every engine of the configuration (connections are made at the first use), runs `work`, and
 * closes them. One engine for a Redis or Postgres, however many entries name it. What no entry needs is
 * not loaded: the Postgres client takes ten milliseconds.
 */
export async function withEngines<T>(
  config: Config,
  limits: Limits,
  work: (engines: Engine[]) => Promise<T>,
): Promise<T> {
  const engines = (
    await Promise.all([bullmqEngines(config, limits), bossEngines(config, limits)])
  ).flat();
  try {
    return await work(engines);
  } finally {
    await Promise.all(engines.map((engine) => engine.close()));
  }
}

async function bullmqEngines(config: Config, limits: Limits): Promise<Engine[]> {
  const entries = config.queues.filter((entry) => entry.engine === 'bullmq');
  if (entries.length === 0) return [];
  const { openBullmq } = await import('./bullmq/engine.js');
  return [...new Set(entries.map(({ redis }) => redis))].map((name) => {
    const known = entries.filter(({ redis }) => redis === name);
    return openBullmq(redisTarget(config, name), known, limits);
  });
}

async function bossEngines(config: Config, limits: Limits): Promise<Engine[]> {
  const entries = config.queues.filter((entry) => entry.engine === 'pgboss');
  if (entries.length === 0) return [];
  const { openPgboss } = await import('./pgboss/engine.js');
  return postgresTargets(config).flatMap((target) => {
    const schemas = entries.filter((entry) => entry.postgres === target.name);
    if (schemas.length === 0) return [];
    // An entry without a schema means all of them.
    const named = schemas.flatMap(({ schema }) => schema ?? []);
    return [openPgboss(target, named.length === schemas.length ? named : undefined, limits)];
  });
}
