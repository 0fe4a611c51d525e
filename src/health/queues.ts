import type { Config } from '../config/load.js';
import type { QueueConfig } from '../config/schema.js';
import { messageOf } from '../errors.js';
import { readPostgres } from '../postgres/client.js';
import { explainPostgres } from '../postgres/explain.js';
import { postgresTargets } from '../postgres/target.js';
import { openNodes } from '../queues/bullmq/nodes.js';
import { reader } from '../queues/bullmq/reading.js';
import { snapshotsOf } from '../queues/bullmq/snapshot.js';
import { troubleOf } from '../queues/bullmq/trouble.js';
import { fullName } from '../queues/names.js';
import { findSchemas } from '../queues/pgboss/schemas.js';
import { snapshotBossQueues } from '../queues/pgboss/snapshot.js';
import { bossTrouble } from '../queues/pgboss/trouble.js';
import type { QueueRef, QueueSnapshot } from '../queues/queue.js';
import type { Trouble } from '../queues/trouble.js';
import type { Limits } from '../redis/channel.js';
import { within } from '../redis/socket.js';
import { redisTarget } from '../redis/target.js';
import { worst } from './finding.js';
import type { QueueLine } from './result.js';
import { judgeQueue, type LimitsFor } from './thresholds.js';

/** Queues that an earlier look has found, so that not every look goes through all keys. */
export type KnownQueues = Record<
  string,
  { at: number; queues: Pick<QueueRef, 'scope' | 'queue'>[] }
>;

export interface QueueLook {
  thresholds?: LimitsFor | undefined;
  /** Is added to. Without it all keys are gone through. */
  known?: KnownQueues | undefined;
}

/** A new queue is seen after this long at the latest. */
const SEARCHED_EVERY = 10 * 60_000;

/** Every queue of one entry of the configuration; one line that says why when they cannot be read. */
export async function inspectQueues(
  config: Config,
  entry: QueueConfig,
  now: number,
  limits: Limits,
  { thresholds, known }: QueueLook = {},
): Promise<QueueLine[]> {
  try {
    const seen =
      entry.engine === 'bullmq'
        ? await bullmqQueues(config, entry, now, limits, known)
        : await bossQueues(config, entry, limits);
    return seen.map((figures) => {
      const findings = judgeQueue(figures, `queue:${fullName(figures)}`, thresholds);
      return { ...figures, status: worst(findings.map(({ status }) => status)), findings };
    });
  } catch (error) {
    limits.signal?.throwIfAborted();
    return [unknown(entry, error, limits)];
  }
}

type BullmqEntry = Extract<QueueConfig, { engine: 'bullmq' }>;
type BossEntry = Extract<QueueConfig, { engine: 'pgboss' }>;
type Seen = QueueSnapshot & Trouble;

async function bullmqQueues(
  config: Config,
  { redis, prefix }: BullmqEntry,
  now: number,
  limits: Limits,
  known: KnownQueues | undefined,
): Promise<Seen[]> {
  const nodes = openNodes(redisTarget(config, redis), limits);
  const find = async (): Promise<QueueRef[]> => {
    const place = `${redis}/${prefix}`;
    const before = known?.[place];
    // A clock that was put back does not put the search off.
    if (before && now >= before.at && now - before.at < SEARCHED_EVERY)
      return before.queues.map((queue) => ({ engine: 'bullmq', source: redis, ...queue }));
    const found = await reader(nodes, [prefix]).discover();
    const queues = found.filter(({ scope }) => scope === prefix);
    if (known)
      known[place] = { at: now, queues: queues.map(({ scope, queue }) => ({ scope, queue })) };
    return queues;
  };
  const read = async () => {
    const queues = await find();
    const [snapshots, trouble] = await Promise.all([
      snapshotsOf(nodes, queues, now),
      troubleOf(nodes, queues, now),
    ]);
    return snapshots.map((snapshot, index) => ({ ...snapshot, ...(trouble[index] as Trouble) }));
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
): Promise<Seen[]> {
  const target = postgresTargets(config).find(({ name }) => name === postgres);
  if (!target) return [];
  return readPostgres(target, limits, async (query) => {
    const schemas = await findSchemas(query);
    const chosen = schemas.filter((found) => schema === undefined || found.schema === schema);
    if (schema !== undefined && chosen.length === 0)
      throw new Error(`there is no pg-boss in the schema ${schema}, or it may not be read`);
    const seen: Seen[] = [];
    for (const found of chosen) {
      const trouble = await bossTrouble(query, found);
      for (const snapshot of await snapshotBossQueues(query, postgres, found)) {
        const none = { failed_last_hour: 0, stalled: 0 };
        seen.push({ ...snapshot, ...(trouble.get(snapshot.queue) ?? none) });
      }
    }
    return seen;
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
    failed_last_hour: null,
    stalled: null,
  };
}
