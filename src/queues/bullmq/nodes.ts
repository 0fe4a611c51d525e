import { CacheOpsError } from '../../errors.js';
import type { Channel } from '../../redis/channel.js';
import type { Connections } from '../../redis/connections.js';
import { ReplyError } from '../../redis/resp.js';
import type { QueueRef } from '../queue.js';
import { hashTag, key } from './keys.js';

/** The masters of a Redis, each on one raw connection, and which of them has a queue. Closing it closes these. */
export interface Nodes {
  readonly source: string;
  /** Keys of one queue stand on one node only where they have a hash tag. */
  readonly clustered: boolean;
  masters(): Promise<Channel[]>;
  /** The master with the queue's keys. Throws `refused` for a queue that a cluster has torn apart. */
  of(queue: Pick<QueueRef, 'scope' | 'queue'>): Promise<Channel>;
  close(): void;
}

export function openNodes(connections: Connections): Nodes {
  const { target } = connections;
  const owners = new Map<string, Promise<Channel>>();
  let all: Promise<Channel[]> | undefined;
  const connect = async () => {
    // A single node is read whatever its role is.
    const wanted =
      target.kind === 'node'
        ? target.seeds
        : (await connections.nodes()).flatMap(({ access, role }) =>
            role === 'master' ? access : [],
          );
    return Promise.all(wanted.map((access) => connections.open(access)));
  };
  const masters = () => {
    all ??= connect();
    return all;
  };
  const find = async (scope: string, queue: string): Promise<Channel> => {
    const channels = await masters();
    const [only] = channels;
    if (only && channels.length === 1) return only;
    if (hashTag(`${scope}:${queue}`) === undefined) {
      throw new CacheOpsError(
        'refused',
        `the keys of ${scope}:${queue} lie on several nodes of the cluster`,
        'BullMQ needs a prefix with a hash tag on a cluster: {bull}',
      );
    }
    // Only the owner of the slot answers; the others say MOVED.
    const meta = key(scope, queue, 'meta');
    const replies = await Promise.all(channels.map((channel) => channel.send('EXISTS', meta)));
    const owner = channels[replies.findIndex((reply) => !(reply instanceof ReplyError))];
    if (!owner) throw new CacheOpsError('connect', `no master has the slot of ${meta}`);
    return owner;
  };
  return {
    source: target.name,
    clustered: target.kind === 'cluster',
    masters,
    of({ scope, queue }) {
      const name = `${scope}:${queue}`;
      const slot = hashTag(name) ?? name;
      const owner = owners.get(slot) ?? find(scope, queue);
      owners.set(slot, owner);
      return owner;
    },
    close: () => connections.close(),
  };
}
