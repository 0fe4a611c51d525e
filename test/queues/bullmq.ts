import type { ConnectionOptions, FlowProducer, Job, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { Config } from '../../src/config/load.js';
import { openNodes } from '../../src/queues/bullmq/nodes.js';
import { reader } from '../../src/queues/bullmq/reading.js';
import type { JobFilter } from '../../src/queues/filter.js';
import type { Job as Seen } from '../../src/queues/job.js';
import type { QueueRef } from '../../src/queues/queue.js';
import { openConnections } from '../../src/redis/connections.js';
import { redisTarget } from '../../src/redis/target.js';
import { bullmq, type Library } from './bullmq-writing.js';

/** The operator's side: reads the queues of a Redis by its URL. */
export function operator(url: string, prefixes: string[] = ['bull']) {
  return operatorOf(redisTarget({ redis: {} } as Config, url), prefixes);
}

export function operatorOf(target: ReturnType<typeof redisTarget>, prefixes: string[]) {
  const nodes = openNodes(openConnections(target, { timeout: 10_000 }));
  const engine = reader(nodes, prefixes);
  return {
    ...engine,
    ref: (queue: string, scope = prefixes[0] as string): QueueRef => ({
      engine: 'bullmq',
      source: target.name,
      scope,
      queue,
    }),
    /** Every page of jobs in one array. */
    async all(queue: QueueRef, filter: Partial<JobFilter> = {}): Promise<Seen[]> {
      const jobs: Seen[] = [];
      for await (const page of engine.jobs(queue, { states: [], ...filter })) jobs.push(...page);
      return jobs;
    },
    close: () => nodes.close(),
  };
}
export type Operator = ReturnType<typeof operatorOf>;

export interface Estate {
  queue: Queue;
  flow: FlowProducer;
  close(): Promise<void>;
}

/**
 * A queue with jobs in every state, made by its application as BullMQ makes them: 3 waiting, 3
 * prioritized, 2 delayed and the next one of a scheduler, 2 active with a lock, 3 completed, 4
 * failed, and the parent of a flow that waits for one of its two children.
 */
export async function populate(
  library: Library,
  name: string,
  connection: ConnectionOptions,
  prefix = 'bull',
): Promise<Estate> {
  const { Queue, FlowProducer, Worker, UnrecoverableError } = bullmq(library);
  const queue = new Queue(name, { connection, prefix });
  const flow = new FlowProducer({ connection, prefix });
  // Its locks are to outlast the test.
  const options = { connection, prefix, autorun: false, lockDuration: 600_000 };
  const worker = new Worker(name, null, options);
  await worker.waitUntilReady();
  const take = async () => (await worker.getNextJob('owner', { block: false })) as Job;
  for (const n of [1, 2, 3]) await queue.add('report', { n, user: { id: `u${n}` } });
  for (const _ of [1, 2, 3]) {
    const job = await take();
    await job.updateProgress(50);
    await job.log('half of it');
    await job.log('all of it');
    await job.moveToCompleted({ rows: job.data.n }, 'owner', false);
  }
  for (const n of [1, 2, 3]) await queue.add('import', { n }, { priority: n });
  await queue.add('import', { n: 4 }, { attempts: 3, lifo: true });
  for (const code of [
    'ETIMEDOUT 10.0.0.1:443',
    'ETIMEDOUT 10.0.0.2:443',
    'bad row 7',
    'bad row 8',
  ]) {
    const job = await take();
    await job.moveToFailed(new UnrecoverableError(code), 'owner', false);
  }
  await flow.add({
    name: 'merge',
    queueName: name,
    data: {},
    children: [
      { name: 'part', queueName: name, data: { half: 1 } },
      { name: 'part', queueName: name, data: { half: 2 } },
    ],
  });
  await (await take()).moveToCompleted('merged', 'owner', false);
  await take();
  await queue.add('held', {});
  await take();
  await queue.add('later', {}, { delay: 3_600_000 });
  await queue.add('latest', {}, { delay: 7_200_000, deduplication: { id: 'one' } });
  await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *' }, { name: 'tick' });
  for (const n of [1, 2, 3]) await queue.add('mail', { n });
  for (const n of [3, 1, 3]) await queue.add('urgent', { n }, { priority: n });
  return {
    queue,
    flow,
    async close() {
      await Promise.all([worker.close(), flow.close(), queue.close()]);
    },
  };
}

/** Everything that a reader might change: which keys there are, their types, values and times to live. */
export async function fingerprint(port: number): Promise<Record<string, string>> {
  const client = new Redis(port);
  const keys: Record<string, string> = {};
  for (const key of (await client.keys('*')).sort())
    keys[key] = `${await client.pexpiretime(key)} ${await contentOf(client, key)}`;
  client.disconnect();
  return keys;
}

/** As DUMP has it; not of a hash or set, where a read goes on with a rehash and so changes the order. */
async function contentOf(client: Redis, key: string): Promise<string> {
  const type = await client.type(key);
  if (type === 'hash')
    return `hash ${Object.entries(await client.hgetall(key))
      .sort()
      .join('\n')}`;
  if (type === 'set') return `set ${(await client.smembers(key)).sort().join('\n')}`;
  return `${type} ${(await client.dumpBuffer(key))?.toString('base64')}`;
}
