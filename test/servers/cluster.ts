import { command } from './command.js';
import { type RedisServer, startRedis } from './redis.js';
import { until } from './wait.js';

export interface ClusterEstate {
  masters: RedisServer[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;

/** A cluster of masters that share the slots evenly; its state is ok when this resolves. */
export async function startCluster({ masters: count = 3 } = {}): Promise<ClusterEstate> {
  const masters = await Promise.all(
    Array.from({ length: count }, () =>
      startRedis({
        config: [
          'cluster-enabled yes',
          'cluster-node-timeout 1000',
          'cluster-config-file nodes.conf',
        ],
      }),
    ),
  );
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
  await until(
    async () => {
      const states = await Promise.all(masters.map(({ port }) => command(port, 'CLUSTER INFO')));
      return states.every(
        (state) =>
          state.includes('cluster_state:ok') && state.includes(`cluster_known_nodes:${count}`),
      );
    },
    { timeout: 20_000, every: 50, what: 'the cluster to be ok' },
  );
  return {
    masters,
    async stop() {
      await Promise.all(masters.map((server) => server.stop()));
    },
  };
}
