import type { Config } from '../config/load.js';
import type { QueueConfig } from '../config/schema.js';
import { literal, queueOf } from '../queues/bullmq/keys.js';
import { type Channel, demand, type Limits, openChannel } from '../redis/channel.js';
import { redisTarget } from '../redis/target.js';
import { findNodes } from '../redis/topology.js';
import type { Candidate } from './walk.js';

/**
 * The names of the configured queues that have been found when `signal` is aborted: of a large
 * Redis some. A server that does not answer has none. Reads only.
 */
export async function queueNames(
  config: Config,
  signal: AbortSignal,
  timeout: number,
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
  await Promise.race([searches, aborted(signal)]);
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
  const target = redisTarget(config, redis);
  const masters =
    target.kind === 'node'
      ? target.seeds
      : (await findNodes(target, limits))
          .filter(({ role }) => role === 'master')
          .map(({ access }) => access);
  await Promise.all(
    masters.map(async (access) => {
      const channel = await openChannel(access, limits);
      try {
        for await (const queue of scanQueues(channel, prefix, limits.signal))
          add(queue, `BullMQ, ${prefix} on ${redis}`);
      } finally {
        channel.close();
      }
    }),
  );
}

/** Queues under a prefix, by their `meta` keys: each is checked, as somebody else's may end so too. */
async function* scanQueues(channel: Channel, prefix: string, signal: AbortSignal) {
  let cursor = '0';
  do {
    const reply = await channel.send(
      'SCAN',
      cursor,
      'MATCH',
      `${literal(prefix)}:*:meta`,
      'COUNT',
      1_000,
    );
    const [next, keys] = demand(reply) as [string, string[]];
    const marks = await channel.pipeline(keys.map((key) => ['HEXISTS', key, 'opts.maxLenEvents']));
    for (const [index, key] of keys.entries()) if (marks[index] === 1) yield queueOf(prefix, key);
    cursor = next;
  } while (cursor !== '0' && !signal.aborted);
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
