import { CacheOpsError } from '../errors.js';
import type { Advice } from './advice/advice.js';
import { explain } from './advice/explain.js';
import { type Channel, type Limits, openChannel } from './channel.js';
import { evidenceFor } from './evidence.js';
import { type Access, describe, label, type RedisTarget } from './target.js';
import { DiscoveryError, findNodes, type Role } from './topology.js';

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
 * Every Redis of a target at the same time, each over a connection of its own that is closed
 * afterwards. One that is dead, hangs or breaks off hides no other; only an interrupt throws.
 */
export async function everyServer<T>(
  target: RedisTarget,
  limits: Limits,
  look: (channel: Channel, access: Access, announced: Role | undefined) => Promise<T>,
): Promise<Seen<T>[]> {
  const one = async (access: Access, announced?: Role): Promise<Seen<T>> => {
    let channel: Channel | undefined;
    try {
      channel = await openChannel(access, limits);
      const value = await look(channel, access, announced);
      return { address: label(access.endpoint), announced, value, problem: undefined };
    } catch (error) {
      return { ...(await failed(access, error, limits)), announced };
    } finally {
      channel?.close();
    }
  };
  const [only] = target.seeds;
  if (target.kind === 'node' && only) return [await one(only)];
  try {
    const nodes = await findNodes(target, limits);
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
