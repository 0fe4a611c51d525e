import { CacheOpsError } from '../errors.js';
import { type Channel, type Limits, openChannel } from './channel.js';
import { ReplyError } from './resp.js';
import { connectError } from './servers.js';
import { type Access, label, parseHostPort, type RedisTarget } from './target.js';
import { DiscoveryError, findNodes, type RedisNode } from './topology.js';

/** A connection to the server that has a key; whoever asked for it closes it. */
export interface Owner {
  channel: Channel;
  address: string;
}

/**
 * Opens the server that answers for `key` (bytes as latin1): the node, the master that the
 * sentinels name (a replica where one is meant), the master of its slot. The channel speaks bytes.
 * Throws CacheOpsError.
 */
export async function openOwner(target: RedisTarget, key: string, limits: Limits): Promise<Owner> {
  const [seed] = target.seeds as [Access];
  if (target.kind === 'node') return open(target, [seed], limits);
  const nodes = await findNodes(target, limits).catch((error: unknown) => {
    limits.signal?.throwIfAborted();
    const [failure] = error instanceof DiscoveryError ? error.failures : [];
    return connectError(target, failure?.access ?? seed, failure?.error ?? error, limits);
  });
  if (nodes instanceof Error) throw nodes;
  const role = target.kind === 'sentinel' && target.config.replica ? 'replica' : 'master';
  const first = await open(target, accessesOf(nodes, role), limits);
  if (target.kind === 'sentinel') return first;
  const moved = await movedTo(first.channel, key);
  if (moved === undefined) return first;
  first.channel.close();
  return open(target, [{ ...target.nodeAccess, endpoint: endpointOf(moved, first) }], limits);
}

function accessesOf(nodes: readonly RedisNode[], role: 'master' | 'replica'): Access[] {
  const wanted = nodes.filter((node) => node.role === role);
  return (wanted.length > 0 ? wanted : nodes).map(({ access }) => access);
}

/** The first of them that can be opened. */
async function open(
  target: RedisTarget,
  accesses: readonly Access[],
  limits: Limits,
): Promise<Owner> {
  let failure: CacheOpsError | undefined;
  for (const access of accesses) {
    try {
      const channel = await openChannel(access, limits);
      channel.speakBytes();
      return { channel, address: label(access.endpoint) };
    } catch (error) {
      failure ??= await connectError(target, access, error, limits);
    }
  }
  throw failure ?? new CacheOpsError('connect', `${target.name} has no server`);
}

/** `host:port` of the slot's owner when that is another. An ACL may refuse some of these commands. */
async function movedTo(channel: Channel, key: string): Promise<string | undefined> {
  const replies = await channel.pipeline([
    ['TYPE', key],
    ['PTTL', key],
    ['MEMORY', 'USAGE', key],
  ]);
  const said = replies.flatMap((reply) => (reply instanceof ReplyError ? reply.message : []));
  const asked = said.find((message) => message.startsWith('ASK '));
  if (asked)
    throw new CacheOpsError(
      'connect',
      `the slot of this key is on its way to ${asked.split(' ')[2]}`,
      'try again when it has arrived: CLUSTER NODES shows it as migrating',
    );
  return said.find((message) => message.startsWith('MOVED '))?.split(' ')[2];
}

/** `MOVED 3999 :6381` means the host that was asked. */
function endpointOf(moved: string, { address }: Owner): { host: string; port: number } {
  const { host, port } = parseHostPort(moved);
  return { host: host || parseHostPort(address).host, port };
}
