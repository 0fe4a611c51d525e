import type { Config } from '../../config/load.js';
import { postgresTargets } from '../../postgres/target.js';
import type { QueueRef } from '../../queues/queue.js';
import { describe, redisTarget } from '../../redis/target.js';

/** Where the sources of these queues are, by engine and name; never a secret. */
export function addressesOf(config: Config, queues: readonly QueueRef[]): Record<string, string> {
  const sources = [...new Set(queues.map(({ engine, source }) => `${engine} ${source}`))].sort();
  return Object.fromEntries(sources.map((source) => [source, addressOf(config, source)]));
}

function addressOf(config: Config, source: string): string {
  const [engine, ...words] = source.split(' ');
  const name = words.join(' ');
  if (engine === 'pgboss') {
    return postgresTargets(config).find((target) => target.name === name)?.address ?? 'nowhere';
  }
  if (!Object.hasOwn(config.redis, name)) return 'nowhere';
  const target = redisTarget(config, name);
  return `${describe(target)}/${target.nodeAccess.db ?? 0}`;
}
