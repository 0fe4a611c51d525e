import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as six from 'bullmq';
import * as five from 'bullmq5';
import { Redis } from 'ioredis';
import type { Config } from '../../src/config/load.js';
import { SEEN_FIELDS, SEEN_SEPARATOR } from '../../src/queues/bullmq/job.js';
import { openNodes } from '../../src/queues/bullmq/nodes.js';
import { writer } from '../../src/queues/bullmq/writing.js';
import type { Operation } from '../../src/queues/operation.js';
import type { QueueRef } from '../../src/queues/queue.js';
import { openConnections } from '../../src/redis/connections.js';
import { redisTarget } from '../../src/redis/target.js';
import { until } from '../servers/wait.js';

export const LIBRARIES = ['bullmq5', 'bullmq'] as const;
export type Library = (typeof LIBRARIES)[number];

/** BullMQ 5 under the types of 6: what the tests use of them is the same. */
export const bullmq = (library: Library): typeof six =>
  library === 'bullmq' ? six : (five as unknown as typeof six);

/** What a test does to one queue: as its applications (`queue`, `redis`) and as the operator (`engine`). */
export function site(url: string, library: Library, name: string, prefix = 'bull') {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new (bullmq(library).Queue)(name, { connection: redis, prefix });
  const nodes = openNodes(
    openConnections(redisTarget({ redis: {} } as Config, url), { timeout: 5000 }),
  );
  const engine = writer(nodes);
  const ref: QueueRef = { engine: 'bullmq', source: 'test', scope: prefix, queue: name };
  const base = `${prefix}:${name}:`;
  const chosen = (ids: readonly string[]) => ids.map((id) => ({ id, seen: '' }));
  return {
    redis,
    queue,
    engine,
    ref,
    base,
    apply: (operation: Operation, ...ids: string[]) => engine.apply(ref, operation, chosen(ids)),
    /** With the time that each failed at, as a filter chooses them. */
    async applyAsChosen(operation: Operation, ...ids: string[]) {
      const times = await redis.zmscore(`${base}failed`, ...ids);
      const jobs = ids.map((id, at) => ({ id, seen: times[at] ?? '1' }));
      return engine.apply(ref, operation, jobs);
    },
    preview: (operation: Operation, ...ids: string[]) =>
      engine.preview(ref, operation, chosen(ids)),
    async seen(id: string) {
      const values = await redis.hmget(base + id, ...SEEN_FIELDS);
      return values.map((value) => value ?? '').join(SEEN_SEPARATOR);
    },
    /** Runs waiting jobs until there is none: `fail` decides by the job's data. */
    async work(token = 'test') {
      await runAll(library, name, prefix, redis, token);
    },
    async close() {
      nodes.close();
      await queue.close();
      redis.disconnect();
    },
  };
}
/** The operator's side on a cluster. */
export function clusterWriter(url: string) {
  const config = { redis: { main: { cluster: [url], replica: false, roles: ['queue'] } } };
  const nodes = openNodes(
    openConnections(redisTarget(config as unknown as Config, 'main'), { timeout: 5000 }),
  );
  return { engine: writer(nodes), close: () => nodes.close() };
}

export type Site = ReturnType<typeof site>;

/** Takes every job by hand, so that a test decides when: it fails with `data.fail`, or completes. */
async function runAll(library: Library, name: string, prefix: string, redis: Redis, token: string) {
  const { Worker } = bullmq(library);
  const connection = redis.duplicate();
  const worker = new Worker(name, null, { connection, prefix, autorun: false });
  try {
    await worker.waitUntilReady();
    for (;;) {
      const job = (await worker.getNextJob(token, { block: false })) as six.Job | undefined;
      if (!job) break;
      if (job.data?.leave) continue;
      const failure = job.deferredFailure ?? job.data?.fail;
      if (failure) await job.moveToFailed(new Error(failure), token, false);
      else await job.moveToCompleted('ok', token, false);
    }
  } finally {
    await worker.close();
    // BullMQ leaves a connection that it was given to its owner.
    connection.disconnect();
  }
}

/** Every key with its type and value; of streams the number of entries and the events. */
export async function keyspace(redis: Redis, pattern = '*'): Promise<Record<string, unknown>> {
  const keys = (await redis.keys(pattern)).sort();
  const values: Record<string, unknown> = {};
  for (const key of keys) values[key] = await readKey(redis, key);
  return values;
}

async function readKey(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return (await redis.smembers(key)).sort();
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return (await redis.xrange(key, '-', '+')).map(([, fields]) => fields);
    default:
      return redis.get(key);
  }
}

interface Line {
  event: string;
  id?: string;
  priority?: number;
  message?: string;
}

/** A worker in a process of its own; what it says is collected. */
export async function startWorker(
  library: Library,
  name: string,
  url: string,
  { prefix = 'bull', cluster = false } = {},
) {
  const path = fileURLToPath(new URL('workers/bullmq-jobs.mjs', import.meta.url));
  const args = [path, library, name, url, prefix, ...(cluster ? ['cluster'] : [])];
  const child: ChildProcess = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Line[] = [];
  if (!child.stdout) throw new Error('no stdout');
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  const saw = (event: string, id?: string) =>
    lines.some((line) => line.event === event && (id === undefined || line.id === id));
  await until(() => saw('ready'), { what: `a worker of ${library}` });
  return {
    lines,
    saw,
    ran: () => lines.filter(({ event }) => event === 'ran').map(({ id }) => id as string),
    async stop() {
      child.kill('SIGKILL');
      await until(() => child.exitCode !== null || child.signalCode !== null);
    },
  };
}
