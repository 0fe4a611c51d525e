import { CacheOpsError } from '../errors.js';
import type { Advice } from './advice/advice.js';
import { explain } from './advice/explain.js';
import type { Channel, Limits } from './channel.js';
import { type Connections, openConnections } from './connections.js';
import { evidenceFor } from './evidence.js';
import { type Access, describe, label, type RedisTarget } from './target.js';
import { DiscoveryError, type Role } from './topology.js';

/** What was seen of one server, or why it cannot be asked. */
export interface Seen<T> {
  /** `host:port` or a path; of a target whose servers cannot be found, all of its seeds. */
  address: string;
  /** What the sentinels or the cluster call it; undefined for a node of its own. */
  announced: Role | undefined;
  value: T | undefined;
  problem: Advice | undefined;
}

/**
 * Every Redis of a target at the same time, each over one connection; they are closed afterwards,
 * unless they are `shared` with others. One that is dead, hangs or breaks off hides no other; only an
 * interrupt throws.
 */
export async function everyServer<T>(
  target: RedisTarget,
  limits: Limits,
  look: (channel: Channel, access: Access, announced: Role | undefined) => Promise<T>,
  shared?: Connections,
): Promise<Seen<T>[]> {
  const connections = shared ?? openConnections(target, limits);
  const one = async (access: Access, announced?: Role): Promise<Seen<T>> => {
    try {
      const value = await look(await connections.open(access), access, announced);
      return { address: label(access.endpoint), announced, value, problem: undefined };
    } catch (error) {
      return { ...(await failed(access, error, limits)), announced };
    }
  };
  const [only] = target.seeds;
  try {
    if (target.kind === 'node' && only) return [await one(only)];
    const nodes = await connections.nodes();
    return await Promise.all(nodes.map(({ access, role }) => one(access, role)));
  } catch (error) {
    const [failure] = error instanceof DiscoveryError ? error.failures : [];
    const access = failure?.access ?? only;
    if (!access) throw error;
    return [
      {
        ...(await failed(access, failure?.error ?? error, limits)),
        address: describe(target),
        announced: undefined,
      },
    ];
  } finally {
    if (!shared) connections.close();
  }
}

/** What a command ends with that cannot do without this server. */
export async function connectError(
  { name }: RedisTarget,
  access: Access,
  error: unknown,
  limits: Limits,
): Promise<CacheOpsError> {
  if (error instanceof CacheOpsError) return error;
  const { problem } = await failed(access, error, limits);
  return new CacheOpsError('connect', `${name}: ${problem.reason}`, problem.next[0]);
}

async function failed(access: Access, error: unknown, limits: Limits) {
  limits.signal?.throwIfAborted();
  const problem = explain(error, access, await evidenceFor(error, access, limits));
  return { address: label(access.endpoint), value: undefined, problem };
}
