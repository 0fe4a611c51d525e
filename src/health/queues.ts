import type { Config } from '../config/load.js';
import type { QueueConfig } from '../config/schema.js';
import { messageOf } from '../errors.js';
import { readPostgres } from '../postgres/client.js';
import { explainPostgres } from '../postgres/explain.js';
import { postgresTargets } from '../postgres/target.js';
import { openNodes } from '../queues/bullmq/nodes.js';
import { reader } from '../queues/bullmq/reading.js';
import { snapshotsOf } from '../queues/bullmq/snapshot.js';
import { findSchemas } from '../queues/pgboss/schemas.js';
import { snapshotBossQueues } from '../queues/pgboss/snapshot.js';
import type { QueueSnapshot } from '../queues/queue.js';
import type { Limits } from '../redis/channel.js';
import { within } from '../redis/socket.js';
import { redisTarget } from '../redis/target.js';
import { worst } from './finding.js';
import type { QueueLine } from './result.js';
import { judgeQueue } from './thresholds.js';

/** Every queue of one entry of the configuration; one line that says why when they cannot be read. */
export async function inspectQueues(
  config: Config,
  entry: QueueConfig,
  now: number,
  limits: Limits,
): Promise<QueueLine[]> {
  try {
    const snapshots =
      entry.engine === 'bullmq'
        ? await bullmqQueues(config, entry, now, limits)
        : await bossQueues(config, entry, limits);
    return snapshots.map((snapshot) => {
      const findings = judgeQueue(snapshot);
      return { ...snapshot, status: worst(findings.map(({ status }) => status)), findings };
    });
  } catch (error) {
    limits.signal?.throwIfAborted();
    return [unknown(entry, error, limits)];
  }
}

type BullmqEntry = Extract<QueueConfig, { engine: 'bullmq' }>;
type BossEntry = Extract<QueueConfig, { engine: 'pgboss' }>;

async function bullmqQueues(
  config: Config,
  { redis, prefix }: BullmqEntry,
  now: number,
  limits: Limits,
): Promise<QueueSnapshot[]> {
  const nodes = openNodes(redisTarget(config, redis), limits);
  const read = async () => {
    const queues = await reader(nodes, [prefix]).discover();
    return snapshotsOf(
      nodes,
      queues.filter(({ scope }) => scope === prefix),
      now,
    );
  };
  try {
    return await within(limits.timeout, read());
  } finally {
    nodes.close();
  }
}

async function bossQueues(
  config: Config,
  { postgres, schema }: BossEntry,
  limits: Limits,
): Promise<QueueSnapshot[]> {
  const target = postgresTargets(config).find(({ name }) => name === postgres);
  if (!target) return [];
  return readPostgres(target, limits, async (query) => {
    const schemas = await findSchemas(query);
    const chosen = schemas.filter((found) => schema === undefined || found.schema === schema);
    if (schema !== undefined && chosen.length === 0)
      throw new Error(`there is no pg-boss in the schema ${schema}, or it may not be read`);
    const snapshots: QueueSnapshot[] = [];
    for (const found of chosen)
      snapshots.push(...(await snapshotBossQueues(query, postgres, found)));
    return snapshots;
  });
}

/** The Redis or Postgres has a line of its own that is critical; about its queues nothing is known. */
function unknown(entry: QueueConfig, error: unknown, { timeout }: Limits): QueueLine {
  const reason = entry.engine === 'bullmq' ? messageOf(error) : explainPostgres(error, timeout);
  return {
    engine: entry.engine,
    source: entry.engine === 'bullmq' ? entry.redis : entry.postgres,
    scope: entry.engine === 'bullmq' ? entry.prefix : (entry.schema ?? '*'),
    queue: null,
    status: 'unknown',
    findings: [
      { metric: 'queues', status: 'unknown', message: `the queues cannot be read: ${reason}` },
    ],
    waiting: null,
    active: null,
    delayed: null,
    blocked: null,
    completed: null,
    failed: null,
    oldest_waiting_ms: null,
    paused: null,
    workers: null,
  };
}
