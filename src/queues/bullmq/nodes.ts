import { CacheOpsError } from '../../errors.js';
import { type Channel, type Limits, openChannel } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';
import type { RedisTarget } from '../../redis/target.js';
import { findNodes } from '../../redis/topology.js';
import type { QueueRef } from '../queue.js';
import { key } from './keys.js';

/** The masters of a Redis, each on one raw connection, and which of them has a queue. */
export interface Nodes {
  readonly source: string;
  masters(): Promise<Channel[]>;
  /** The master with the queue's keys. Throws `refused` for a queue that a cluster has torn apart. */
  of(queue: Pick<QueueRef, 'scope' | 'queue'>): Promise<Channel>;
  close(): void;
}

export function openNodes(target: RedisTarget, limits: Limits): Nodes {
  const opened: Channel[] = [];
  const owners = new Map<string, Promise<Channel>>();
  let all: Promise<Channel[]> | undefined;
  let closed = false;
  const connect = async () => {
    // A single node is read whatever its role is.
    const wanted =
      target.kind === 'node'
        ? target.seeds
        : (await findNodes(target, limits)).flatMap(({ access, role }) =>
            role === 'master' ? access : [],
          );
    return Promise.all(
      wanted.map(async (access) => {
        const channel = await openChannel(access, limits);
        // Too late: somebody has given up on another node in the meantime.
        if (closed) channel.close();
        opened.push(channel);
        return channel;
      }),
    );
  };
  const masters = () => {
    all ??= connect();
    return all;
  };
  const find = async (scope: string, queue: string): Promise<Channel> => {
    const channels = await masters();
    const [only] = channels;
    if (only && channels.length === 1) return only;
    if (!/\{[^}]+\}/.test(`${scope}:${queue}`)) {
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
    masters,
    of({ scope, queue }) {
      const name = `${scope}:${queue}`;
      const owner = owners.get(name) ?? find(scope, queue);
      owners.set(name, owner);
      return owner;
    },
    close() {
      closed = true;
      for (const channel of opened) channel.close();
    },
  };
}
