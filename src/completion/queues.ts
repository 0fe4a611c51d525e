import type { Config } from '../config/load.js';
import type { QueueConfig } from '../config/schema.js';
import { findQueues } from '../queues/bullmq/discover.js';
import { openNodes } from '../queues/bullmq/nodes.js';
import type { QueueRef } from '../queues/queue.js';
import type { Channel, Limits } from '../redis/channel.js';
import { openConnections } from '../redis/connections.js';
import { redisTarget } from '../redis/target.js';
import type { Candidate } from './walk.js';

/**
 * The names of the configured queues that have been found when `signal` is aborted: of a large
 * Redis some, of a server that does not answer none. Where the search did not come to its end, those
 * that are `remembered` come with them. Reads only.
 */
export async function queueNames(
  config: Config,
  signal: AbortSignal,
  timeout: number,
  remembered: readonly QueueRef[] = [],
): Promise<Candidate[]> {
  const found = new Map<string, Candidate>();
  const add = (value: string, about: string) => void found.set(value, { value, about });
  const limits = { timeout, signal };
  const searches = Promise.allSettled(
    config.queues.map((queue) =>
      queue.engine === 'bullmq'
        ? bullmqQueues(config, queue, limits, add)
        : bossQueues(config, queue, limits, add),
    ),
  );
  const ends = await Promise.race([searches, aborted(signal)]);
  if (!ends?.every(({ status }) => status === 'fulfilled')) {
    for (const { queue, scope, source } of remembered)
      if (!found.has(queue)) add(queue, `${scope} on ${source}`);
  }
  return [...found.values()].sort((a, b) => (a.value < b.value ? -1 : 1));
}

type Add = (value: string, about: string) => void;
type Queue<Engine> = Extract<QueueConfig, { engine: Engine }>;

async function bullmqQueues(
  config: Config,
  { redis, prefix }: Queue<'bullmq'>,
  limits: Limits & { signal: AbortSignal },
  add: Add,
): Promise<void> {
  const nodes = openNodes(openConnections(redisTarget(config, redis), limits));
  try {
    const search = async (channel: Channel) => {
      for await (const { scope, queue } of findQueues(channel, [prefix])) {
        if (scope === prefix) add(queue, `BullMQ, ${prefix} on ${redis}`);
        if (limits.signal.aborted) return;
      }
    };
    await Promise.all((await nodes.masters()).map(search));
  } finally {
    nodes.close();
  }
}

/** Queues of pg-boss 10 and later; older ones have no table of them, only jobs. */
async function bossQueues(
  config: Config,
  { postgres, schema }: Queue<'pgboss'>,
  limits: Limits,
  add: Add,
): Promise<void> {
  const { quoteName, readPostgres } = await import('../postgres/client.js');
  const { postgresTargets } = await import('../postgres/target.js');
  const { findSchemas } = await import('../queues/pgboss/schemas.js');
  const target = postgresTargets(config).find(({ name }) => name === postgres);
  if (!target) return;
  await readPostgres(target, limits, async (query) => {
    const schemas = schema ? [schema] : (await findSchemas(query)).map((found) => found.schema);
    for (const name of schemas) {
      const rows = await query<{ name: string }>(
        `SELECT name FROM ${quoteName(name)}.queue WHERE name NOT LIKE '\\_\\_pgboss\\_\\_%'`,
      );
      for (const row of rows) add(row.name, `pg-boss, ${name} on ${postgres}`);
    }
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
}
