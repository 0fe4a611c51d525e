import { messageOf } from '../errors.js';
import { type Channel, demand, type Limits, openChannel } from './channel.js';
import { parseInfo } from './info.js';
import { type Reply, ReplyError } from './resp.js';
import { type Access, label, parseHostPort, type RedisTarget } from './target.js';

export type Role = 'master' | 'replica';

/** One Redis of a target, and the role that it plays according to who told us of it. */
export interface RedisNode {
  access: Access;
  role: Role;
  /** The address of its master; of replicas of a cluster that serve reads. */
  replicaOf?: string;
}

/** None of the sentinels, or none of the cluster's seeds, could tell the nodes: why each could not. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
  constructor(readonly failures: readonly { access: Access; error: unknown }[]) {
    super(messageOf(failures[0]?.error));
  }
}

/** A sentinel answers, but watches no master of that name. */
export class UnknownMasterError extends Error {
  override readonly name = 'UnknownMasterError';
}

/**
 * Every Redis behind a target: the node itself, the master and replicas that the sentinels name,
 * or all nodes of the cluster, failed ones too. Throws StageError for a node, DiscoveryError for
 * sentinels and seeds of which none answers. They are asked at the same time; the first answer counts.
 */
export async function findNodes(target: RedisTarget, limits: Limits): Promise<RedisNode[]> {
  const { kind, seeds, nodeAccess, config } = target;
  if (kind === 'sentinel') {
    const endpoints = await firstAnswer(seeds, limits, (channel) =>
      askSentinel(channel, config.sentinel?.name ?? ''),
    );
    return endpoints.map(({ host, port, role }) => ({
      access: { ...nodeAccess, endpoint: { host, port } },
      role,
    }));
  }
  if (kind === 'cluster') {
    const endpoints = await firstAnswer(seeds, limits, (channel, { endpoint }) =>
      askCluster(channel, 'host' in endpoint ? endpoint.host : ''),
    );
    return endpoints.map(({ host, port, role, replicaOf }) => ({
      access: { ...nodeAccess, endpoint: { host, port } },
      role,
      ...(replicaOf && { replicaOf: label(replicaOf) }),
    }));
  }
  const [access] = seeds as [Access];
  const channel = await openChannel(access, limits);
  try {
    const role = (await askRole(channel)) ?? (config.replica ? 'replica' : 'master');
    return [{ access, role: role === 'replica' ? 'replica' : 'master' }];
  } finally {
    channel.close();
  }
}

/** The role that a server says it has; undefined when it may not or cannot say (ACL, a proxy). */
export async function askRole(channel: Channel): Promise<Role | 'sentinel' | undefined> {
  const [role, info] = (await channel.pipeline([['ROLE'], ['INFO', 'replication']])) as [
    Reply,
    Reply,
  ];
  // ROLE may be refused by an ACL or renamed by a provider where INFO is not.
  const name = Array.isArray(role)
    ? role[0]
    : typeof info === 'string'
      ? parseInfo(info).role
      : undefined;
  if (name === 'slave') return 'replica';
  return name === 'master' || name === 'sentinel' ? name : undefined;
}

interface HostPort {
  host: string;
  port: number;
}

interface Found extends HostPort {
  role: Role;
  replicaOf?: HostPort;
}

async function firstAnswer(
  seeds: readonly Access[],
  limits: Limits,
  ask: (channel: Channel, access: Access) => Promise<Found[]>,
): Promise<Found[]> {
  const enough = new AbortController();
  const signal = limits.signal ? AbortSignal.any([limits.signal, enough.signal]) : enough.signal;
  const failures: { access: Access; error: unknown }[] = [];
  try {
    return await Promise.any(
      seeds.map(async (access, index) => {
        try {
          const channel = await openChannel(access, { ...limits, signal });
          try {
            return await ask(channel, access);
          } finally {
            channel.close();
          }
        } catch (error) {
          failures[index] = { access, error };
          throw error;
        }
      }),
    );
  } catch {
    limits.signal?.throwIfAborted();
    throw new DiscoveryError(failures);
  } finally {
    // Those that are still being connected to are no longer needed.
    enough.abort();
  }
}

async function askSentinel(channel: Channel, name: string): Promise<Found[]> {
  const [master, replicas, slaves] = (await channel.pipeline([
    ['SENTINEL', 'get-master-addr-by-name', name],
    ['SENTINEL', 'replicas', name],
    // Redis 4 knows only this one.
    ['SENTINEL', 'slaves', name],
  ])) as [Reply, Reply, Reply];
  const address = demand(master);
  if (!Array.isArray(address)) throw new UnknownMasterError(`no master is named "${name}"`);
  const list = replicas instanceof ReplyError ? slaves : replicas;
  return [
    { host: String(address[0]), port: Number(address[1]), role: 'master' },
    ...(Array.isArray(list) ? list : []).map((entry): Found => {
      const { ip, port } = pairs(entry);
      return { host: String(ip), port: Number(port), role: 'replica' };
    }),
  ];
}

/** A flat list of names and values. */
function pairs(reply: Reply): Record<string, Reply | undefined> {
  const fields: Record<string, Reply> = {};
  if (!Array.isArray(reply)) return fields;
  for (let at = 0; at + 1 < reply.length; at += 2)
    fields[String(reply[at])] = reply[at + 1] as Reply;
  return fields;
}

/**
 * CLUSTER SLOTS has the addresses that clients are meant to use, but leaves out nodes that have
 * failed or own no slots; those come from CLUSTER NODES.
 */
async function askCluster(channel: Channel, seedHost: string): Promise<Found[]> {
  const [slots, nodes] = (await channel.pipeline([
    ['CLUSTER', 'SLOTS'],
    ['CLUSTER', 'NODES'],
  ])) as [Reply, Reply];
  if (slots instanceof ReplyError && nodes instanceof ReplyError) throw slots;
  const listed = typeof nodes === 'string' ? parseClusterNodes(nodes, seedHost) : new Map();
  const found = new Map<string, Found>();
  for (const range of Array.isArray(slots) ? slots : []) {
    if (!Array.isArray(range)) continue;
    const [master, ...replicas] = range.slice(2).flatMap((entry): [string, HostPort][] => {
      if (!Array.isArray(entry)) return [];
      const [host, port, id] = entry;
      const known = listed.get(String(id))?.host;
      // '?' is a host name that the cluster was told to announce and does not know; an empty or missing
      // one is that of the node that was asked.
      const name = (host === '?' ? known : String(host ?? '')) || seedHost;
      return [[String(id), { host: name, port: Number(port) }]];
    });
    if (!master) continue;
    found.set(master[0], { ...master[1], role: 'master' });
    for (const [id, at] of replicas)
      found.set(id, { ...at, role: 'replica', replicaOf: master[1] });
  }
  return [...new Map([...listed, ...found]).values()];
}

/** https://redis.io/docs/latest/commands/cluster-nodes/: id, ip:port@bus[,hostname], flags, ... */
export function parseClusterNodes(text: string, seedHost: string): Map<string, Found> {
  const nodes = new Map<string, Found>();
  for (const line of text.split('\n')) {
    const [id = '', address = '', flags = ''] = line.split(' ');
    const where = address.replace(/[@,].*$/, '');
    // A node that is being met has no role yet; one without an address cannot be asked.
    if (!where || /handshake|noaddr/.test(flags)) continue;
    // An IPv6 address stands without brackets.
    const { host, port } = parseHostPort(where);
    nodes.set(id, {
      host: host || seedHost,
      port,
      role: /slave|replica/.test(flags) ? 'replica' : 'master',
    });
  }
  return nodes;
}
