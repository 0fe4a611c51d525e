import type { Config } from '../config/load.js';
import type { QueueConfig } from '../config/schema.js';
import { messageOf } from '../errors.js';
import { readPostgres } from '../postgres/client.js';
import { explainPostgres } from '../postgres/explain.js';
import { postgresTargets } from '../postgres/target.js';
import { figuresOf } from '../queues/bullmq/figures.js';
import { openNodes } from '../queues/bullmq/nodes.js';
import { reader } from '../queues/bullmq/reading.js';
import type { Way } from '../queues/bullmq/scripts.js';
import { fullName } from '../queues/names.js';
import { findSchemas } from '../queues/pgboss/schemas.js';
import { snapshotBossQueues } from '../queues/pgboss/snapshot.js';
import { bossTrouble } from '../queues/pgboss/trouble.js';
import type { QueueRef, QueueSnapshot } from '../queues/queue.js';
import type { Trouble } from '../queues/trouble.js';
import type { Limits } from '../redis/channel.js';
import { type Connections, openConnections } from '../redis/connections.js';
import { within } from '../redis/socket.js';
import { redisTarget } from '../redis/target.js';
import { worst } from './finding.js';
import type { QueueLine } from './result.js';
import { judgeQueue, type LimitsFor } from './thresholds.js';

/** What an earlier look has found, by Redis and prefix. */
export type KnownQueues = Record<
  string,
  {
    at: number;
    queues: Pick<QueueRef, 'scope' | 'queue'>[];
    /** How the Redis lets scripts be run; undefined where nobody has tried. */
    scripts?: Way | undefined;
  }
>;

export interface QueueLook {
  thresholds?: LimitsFor | undefined;
  /** Is added to. Without it all keys are gone through. */
  known?: KnownQueues | undefined;
  /** To a Redis of the configuration, for all who look at it. */
  connections: (redis: string) => Connections;
  /** A sentence for the operator. */
  notice?: ((text: string) => void) | undefined;
}

/** A new queue, or right of the user, is seen after this long at the latest. */
const SEARCHED_EVERY = 10 * 60_000;

/** Every queue of each entry of the configuration; one line that says why when they cannot be read. */
export async function inspectQueues(
  config: Config,
  now: number,
  limits: Limits,
  look: QueueLook,
): Promise<QueueLine[]> {
  const bullmq = new Map<string, Promise<Seen[]>>();
  for (const entry of config.queues)
    if (entry.engine === 'bullmq' && !bullmq.has(entry.redis))
      bullmq.set(entry.redis, bullmqQueues(config, entry.redis, now, limits, look));
  const inspect = async (entry: QueueConfig): Promise<QueueLine[]> => {
    try {
      const seen =
        entry.engine === 'bullmq'
          ? ((await bullmq.get(entry.redis)) ?? []).filter(({ scope }) => scope === entry.prefix)
          : await bossQueues(config, entry, limits);
      return seen.map((figures) => {
        const findings = judgeQueue(figures, `queue:${fullName(figures)}`, look.thresholds);
        return { ...figures, status: worst(findings.map(({ status }) => status)), findings };
      });
    } catch (error) {
      limits.signal?.throwIfAborted();
      return [unknown(entry, error, limits)];
    }
  };
  return (await Promise.all(config.queues.map(inspect))).flat();
}

type BossEntry = Extract<QueueConfig, { engine: 'pgboss' }>;
type Seen = QueueSnapshot & Trouble;

/** The queues under all prefixes of one Redis together: fewer questions than prefix by prefix. */
async function bullmqQueues(
  config: Config,
  redis: string,
  now: number,
  limits: Limits,
  { known = {}, connections, notice }: QueueLook,
): Promise<Seen[]> {
  const prefixes = config.queues.flatMap((entry) =>
    entry.engine === 'bullmq' && entry.redis === redis ? entry.prefix : [],
  );
  const places = prefixes.map((prefix) => `${redis}/${prefix}`);
  // A search goes through all keys, and may be given up: on a connection of its own.
  const searching = openNodes(openConnections(redisTarget(config, redis), limits));
  const nodes = openNodes(connections(redis));
  const refOf = (queue: Pick<QueueRef, 'scope' | 'queue'>): QueueRef => ({
    engine: 'bullmq',
    source: redis,
    ...queue,
  });
  const isRecent = (place: string) => {
    const at = known[place]?.at;
    // A clock that was put back does not put the search off.
    return at !== undefined && now >= at && now - at < SEARCHED_EVERY;
  };
  const read = async () => {
    const before = places.map((place) => known[place]?.scripts).find((way) => way !== undefined);
    const search = !places.every(isRecent);
    if (search) {
      const found = await reader(searching, prefixes).discover();
      for (const [at, place] of places.entries())
        known[place] = {
          at: now,
          queues: found.flatMap(({ scope, queue }) =>
            scope === prefixes[at] ? { scope, queue } : [],
          ),
        };
    }
    const queues = places.flatMap((place) => known[place]?.queues.map(refOf) ?? []);
    const { way, because, ...figures } = await figuresOf(
      nodes,
      queues,
      now,
      search ? undefined : before,
    );
    for (const place of places) Object.assign(known[place] ?? {}, { scripts: way });
    if (because !== undefined && before !== 'none')
      notice?.(`${redis} runs no script for us, and is asked more: ${because}`);
    return figures.queues;
  };
  try {
    return await within(limits.timeout, read());
  } finally {
    searching.close();
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
