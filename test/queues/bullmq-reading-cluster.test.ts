import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/load.js';
import { redisTarget } from '../../src/redis/target.js';
import { type ClusterEstate, startCluster } from '../servers/cluster.js';
import { until } from '../servers/wait.js';
import { type Estate, fingerprint, type Operator, operatorOf, populate } from './bullmq.js';
import { bullmq, LIBRARIES } from './bullmq-writing.js';

let cluster: ClusterEstate;
let client: Cluster;
let op: Operator;
beforeAll(async () => {
  cluster = await startCluster();
  const seeds = cluster.masters.map(({ host, port }) => ({ host, port }));
  client = new Cluster(seeds, { redisOptions: { maxRetriesPerRequest: null } });
  const nodes = seeds.map(({ host, port }) => `${host}:${port}`);
  const config = { redis: { main: { cluster: nodes, roles: ['queue'], replica: false } } };
  op = operatorOf(redisTarget(config as unknown as Config, 'main'), PREFIXES);
});
afterAll(async () => {
  op?.close();
  client?.disconnect();
  await cluster.stop();
});

/** The last one is on another master than the first two. */
const PREFIXES = ['{bull}', '{app:eu}:jobs', '{q}'];

describe.each(LIBRARIES)('queues of %s on a cluster', (library) => {
  const name = `jobs-${library}`;
  let estates: Estate[];
  beforeAll(async () => {
    estates = await Promise.all(PREFIXES.map((prefix) => populate(library, name, client, prefix)));
  });
  afterAll(() => Promise.all(estates.map((estate) => estate.close())));

  it('are found on all masters and read on the one that has each, and nothing changes', async () => {
    const before = await Promise.all(cluster.masters.map(({ port }) => fingerprint(port)));
    expect(before.filter((keys) => Object.keys(keys).length > 10).length).toBeGreaterThan(1);
    const queues = (await op.discover()).filter(({ queue }) => queue === name);
    expect(queues.map(({ scope }) => scope)).toEqual([...PREFIXES].sort());
    expect(await op.existing([op.ref('nope'), ...queues])).toEqual(queues);
    for (const snapshot of await op.snapshots(queues))
      expect(snapshot).toMatchObject({ waiting: 6, active: 2, failed: 4 });
    for (const queue of queues) {
      const jobs = await op.all(queue);
      expect(jobs).toHaveLength(20);
      for (const job of jobs) expect(await op.show(queue, job.id)).toMatchObject(job);
      expect(await op.holding(queues, jobs[0]?.id as string)).toContainEqual(queue);
      expect(await op.stats(queue, 100)).toMatchObject({ sampled: 8 });
    }
    const after = await Promise.all(cluster.masters.map(({ port }) => fingerprint(port)));
    expect(after).toEqual(before);
  });

  it('have as many workers as wait for their jobs, or it is not known how many', async () => {
    const { Worker } = bullmq(library);
    const workers = [1, 2, 3].map(
      () => new Worker('busy', async () => {}, { connection: client, prefix: '{bull}' }),
    );
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));
    // BullMQ 5 gives the connections of a cluster no name.
    const known = library === 'bullmq' ? 3 : null;
    await until(async () => (await op.snapshots([op.ref('busy')]))[0]?.workers === known);
    await Promise.all(workers.map((worker) => worker.close()));
  });

  it('have workers that have had no time to wait for jobs, on whichever node these are known', async () => {
    const { Queue, Worker } = bullmq(library);
    const own = `full-${library}`;
    const connection = client;
    const queue = new Queue(own, { connection, prefix: '{bull}' });
    await queue.addBulk([1, 2].map(() => ({ name: 'send', data: {} })));
    let release = () => {};
    const work = new Promise<void>((resolve) => {
      release = resolve;
    });
    const workers = ['eu-1', 'eu-2'].map(
      (name) => new Worker(own, () => work, { connection, prefix: '{bull}', name }),
    );
    await until(async () => (await queue.getActiveCount()) === 2);
    const count = async () => (await op.snapshots([op.ref(own)]))[0]?.workers;
    // Their connections have names a moment after they are made.
    const known = library === 'bullmq' ? 2 : null;
    await until(async () => (await count()) === known);
    release();
    await Promise.all(workers.map((worker) => worker.close()));
    await queue.close();
  });
});

it('connections of one name are as many workers as a node sees at most, on whichever node', async () => {
  const name = `{bull}:${Buffer.from('lone').toString('base64')}`;
  const counts = [2, 1, 2];
  const connections = await Promise.all(
    cluster.masters.flatMap(({ port }, index) =>
      Array.from({ length: counts[index] ?? 0 }, async () => {
        const connection = new Redis(port, { connectionName: name });
        await connection.ping();
        return connection;
      }),
    ),
  );
  await client.hset('{bull}:lone:meta', 'opts.maxLenEvents', '10000');
  expect((await op.snapshots([op.ref('lone')]))[0]?.workers).toBe(2);
  for (const connection of connections) connection.disconnect();
});

it('a queue without a hash tag never worked on a cluster: it is not listed, and refused by name', async () => {
  await client.hset('bull:torn:meta', 'opts.maxLenEvents', '10000');
  expect((await op.discover()).map(({ queue }) => queue)).not.toContain('torn');
  const torn = op.ref('torn', 'bull');
  await expect(op.snapshots([torn])).rejects.toThrow('several nodes of the cluster');
});
