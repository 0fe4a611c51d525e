import { CacheOpsError } from '../errors.js';
import { demand, type Limits, openChannel } from '../redis/channel.js';
import type { Access, RedisTarget } from '../redis/target.js';
import { findNodes } from '../redis/topology.js';

/** Who takes writes, of a target that fails over. */
export interface Master {
  /** The master now: of the Sentinel's name, or of one slot of the cluster. */
  find(limits: Limits): Promise<Access>;
  /** The name of a key that this master owns. */
  keyOf(name: string): string;
}

/** The master that a drill breaks, and how to ask who has taken its place. Throws `refused` when nobody could. */
export async function findMaster(
  target: RedisTarget,
  limits: Limits,
): Promise<{ access: Access; master: Master }> {
  const nodes = await findNodes(target, limits);
  if (!nodes.some(({ role }) => role === 'replica')) throw nobody(target);
  if (target.kind === 'sentinel') {
    const find = async (now: Limits) => masterOf(await findNodes(target, now), target);
    return { access: await find(limits), master: { find, keyOf: (name) => name } };
  }
  return inCluster(
    target,
    nodes.map(({ access }) => access),
    limits,
  );
}

function masterOf(nodes: Awaited<ReturnType<typeof findNodes>>, target: RedisTarget): Access {
  const found = nodes.find(({ role }) => role === 'master');
  if (!found) throw nobody(target);
  return found.access;
}

function nobody({ name }: RedisTarget): CacheOpsError {
  return new CacheOpsError(
    'refused',
    `${name} has no replica that could take over`,
    'this drill needs a Sentinel or a Cluster with replicas',
  );
}

interface Shard {
  from: number;
  to: number;
  /** Master first. */
  nodes: { host: string; port: number }[];
}

/** The first shard with a replica; its master is the one to break. */
async function inCluster(
  target: RedisTarget,
  nodes: readonly Access[],
  limits: Limits,
): Promise<{ access: Access; master: Master }> {
  const shard = (await askShards(nodes, limits)).find((candidate) => candidate.nodes.length > 1);
  if (!shard) throw nobody(target);
  const tag = await tagIn(shard, nodes, limits);
  const find = async (now: Limits): Promise<Access> => {
    const owner = (await askShards(nodes, now)).find(({ from }) => from === shard.from)?.nodes[0];
    if (!owner) throw new Error(`nobody owns slot ${shard.from}`);
    return { ...target.nodeAccess, endpoint: owner };
  };
  return { access: await find(limits), master: { find, keyOf: (name) => `{${tag}}${name}` } };
}

/** CLUSTER SLOTS of the first node that answers; the one that was broken may believe that it is master yet. */
async function askShards(nodes: readonly Access[], limits: Limits): Promise<Shard[]> {
  const answers = await Promise.allSettled(nodes.map((access) => shardsOf(access, limits)));
  const known = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [newest] = known.sort((a, b) => b.epoch - a.epoch);
  if (!newest) throw new Error('no node of the cluster answers');
  return newest.shards;
}

async function shardsOf(
  access: Access,
  limits: Limits,
): Promise<{ epoch: number; shards: Shard[] }> {
  const channel = await openChannel(access, limits);
  try {
    const [slots, info] = await channel.pipeline([
      ['CLUSTER', 'SLOTS'],
      ['CLUSTER', 'INFO'],
    ]);
    const own = 'host' in access.endpoint ? access.endpoint.host : '';
    const ranges = demand(slots ?? null);
    const shards = (Array.isArray(ranges) ? ranges : []).flatMap((range): Shard[] => {
      if (!Array.isArray(range)) return [];
      const [from, to, ...list] = range;
      const owners = list.flatMap((entry) =>
        Array.isArray(entry) ? [{ host: String(entry[0] || own), port: Number(entry[1]) }] : [],
      );
      return [{ from: Number(from), to: Number(to), nodes: owners }];
    });
    return { epoch: Number(/cluster_current_epoch:(\d+)/.exec(String(info))?.[1] ?? 0), shards };
  } finally {
    channel.close();
  }
}

/** A hash tag whose keys are in that shard. */
async function tagIn(
  { from, to }: Shard,
  nodes: readonly Access[],
  limits: Limits,
): Promise<string> {
  const [access] = nodes;
  if (!access) throw new Error('the cluster has no nodes');
  const channel = await openChannel(access, limits);
  try {
    for (let n = 0; ; n += 1) {
      const slot = Number(demand(await channel.send('CLUSTER', 'KEYSLOT', `drill${n}`)));
      if (slot >= from && slot <= to) return `drill${n}`;
    }
  } finally {
    channel.close();
  }
}
