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

const startNode = () =>
  startRedis({
    config: [
      'cluster-enabled yes',
      'cluster-node-timeout 1000',
      'cluster-config-file nodes.conf',
      'repl-diskless-sync-delay 0',
      'repl-ping-replica-period 1',
    ],
  });

/** The id that the cluster gives a node. */
export async function nodeId({ port }: RedisServer): Promise<string> {
  return (await command(port, 'CLUSTER MYID')).split('\r\n')[1] ?? '';
}

/** A replica of a master, in sync; it knows who has which slot. */
export async function startReplica(master: RedisServer): Promise<RedisServer> {
  const replica = await startNode();
  const { port } = replica;
  await command(port, `CLUSTER MEET 127.0.0.1 ${master.port}`);
  const id = await nodeId(master);
  const limit = { timeout: 20_000, what: 'the replica in sync' };
  await until(async () => (await command(port, `CLUSTER REPLICATE ${id}`)).includes('OK'), limit);
  await until(
    async () =>
      (await command(port, 'INFO replication')).includes('master_link_status:up') &&
      (await command(port, 'CLUSTER INFO')).includes('cluster_state:ok'),
    limit,
  );
  return replica;
}

/** Moves a slot and its keys as `redis-cli --cluster reshard` does, for clients that work meanwhile. */
export async function moveSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  const [source, target] = [await nodeId(from), await nodeId(to)];
  await command(to.port, `CLUSTER SETSLOT ${slot} IMPORTING ${source}`);
  await command(from.port, `CLUSTER SETSLOT ${slot} MIGRATING ${target}`);
  for (;;) {
    const reply = await command(from.port, `CLUSTER GETKEYSINSLOT ${slot} 100`);
    const keys = reply.split('\r\n').filter((_, line) => line > 0 && line % 2 === 0);
    if (keys.length === 0) break;
    await command(from.port, `MIGRATE 127.0.0.1 ${to.port} "" 0 5000 KEYS ${keys.join(' ')}`);
  }
  for (const { port } of [to, from]) await command(port, `CLUSTER SETSLOT ${slot} NODE ${target}`);
}

/** A cluster of masters that share the slots evenly; its state is ok when this resolves. */
export async function startCluster({
  masters: count = 3,
  replicas: withReplicas = false,
} = {}): Promise<ClusterEstate> {
  const masters = await Promise.all(Array.from({ length: count }, startNode));
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
  const replicas = withReplicas ? await Promise.all(masters.map(startReplica)) : [];
  const nodes = [...masters, ...replicas];
  await until(
    async () => {
      const ask = (what: string) =>
        Promise.all(nodes.map(({ port }) => command(port, `CLUSTER ${what}`)));
      const states = await ask('INFO');
      // A replica is told to clients when it has heard anything of its master.
      const views = await ask('SLOTS');
      return (
        states.every(
          (state) =>
            state.includes('cluster_state:ok') &&
            state.includes(`cluster_known_nodes:${nodes.length}`),
        ) && views.every((view) => replicas.every(({ port }) => view.includes(`:${port}\r`)))
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
