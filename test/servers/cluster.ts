import { command } from './command.js';
import { type RedisServer, startRedis } from './redis.js';
import { until } from './wait.js';

export interface ClusterEstate {
  masters: RedisServer[];
  /** One of each master, in the same order; none unless asked for. */
  replicas: RedisServer[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;

/** A cluster of masters that share the slots evenly; its state is ok when this resolves. */
export async function startCluster({
  masters: count = 3,
  replicas: withReplicas = false,
} = {}): Promise<ClusterEstate> {
  const nodes = await Promise.all(
    Array.from({ length: withReplicas ? 2 * count : count }, () =>
      startRedis({
        config: [
          'cluster-enabled yes',
          'cluster-node-timeout 1000',
          'cluster-config-file nodes.conf',
        ],
      }),
    ),
  );
  const masters = nodes.slice(0, count);
  const replicas = nodes.slice(count);
  const [first] = masters as [RedisServer];
  const share = Math.ceil(SLOTS / count);
  for (const [index, { port }] of masters.entries()) {
    await command(
      port,
      `CLUSTER ADDSLOTSRANGE ${index * share} ${Math.min((index + 1) * share, SLOTS) - 1}`,
    );
    await command(port, `CLUSTER SET-CONFIG-EPOCH ${index + 1}`);
    if (port !== first.port) await command(port, `CLUSTER MEET 127.0.0.1 ${first.port}`);
  }
  for (const [index, { port }] of replicas.entries()) {
    await command(port, `CLUSTER MEET 127.0.0.1 ${first.port}`);
    const { port: master } = masters[index] as RedisServer;
    const [, id = ''] = (await command(master, 'CLUSTER MYID')).split('\r\n');
    await until(async () => (await command(port, 'CLUSTER NODES')).includes(id), { every: 50 });
    await command(port, `CLUSTER REPLICATE ${id}`);
    await until(
      async () => (await command(port, 'INFO replication')).includes('master_link_status:up'),
      { every: 50, what: 'the replica in sync' },
    );
  }
  await until(
    async () => {
      const states = await Promise.all(nodes.map(({ port }) => command(port, 'CLUSTER INFO')));
      return states.every(
        (state) =>
          state.includes('cluster_state:ok') &&
          state.includes(`cluster_known_nodes:${nodes.length}`),
      );
    },
    { timeout: 20_000, every: 50, what: 'the cluster to be ok' },
  );
  return {
    masters,
    replicas,
    async stop() {
      await Promise.all(nodes.map((server) => server.stop()));
    },
  };
}
