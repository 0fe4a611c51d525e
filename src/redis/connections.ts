import { type Channel, type Limits, openChannel } from './channel.js';
import type { Access, RedisTarget } from './target.js';
import { findNodes, type RedisNode } from './topology.js';

/**
 * The servers of a target for as long as somebody looks at them: found once, and each opened once,
 * whatever is then asked of it. What fails once fails for all who ask.
 */
export interface Connections {
  readonly target: RedisTarget;
  /** As `findNodes`. */
  nodes(): Promise<RedisNode[]>;
  /** The connection to one of them. Throws StageError. */
  open(access: Access): Promise<Channel>;
  close(): void;
}

export function openConnections(target: RedisTarget, limits: Limits): Connections {
  const channels = new Map<Access, Promise<Channel>>();
  const opened: Channel[] = [];
  let found: Promise<RedisNode[]> | undefined;
  let closed = false;
  const connect = async (access: Access) => {
    const channel = await openChannel(access, limits);
    // Too late: somebody has given up on another server in the meantime.
    if (closed) channel.close();
    opened.push(channel);
    return channel;
  };
  return {
    target,
    nodes() {
      found ??= findNodes(target, limits);
      return found;
    },
    open(access) {
      const channel = channels.get(access) ?? connect(access);
      channels.set(access, channel);
      return channel;
    },
    close() {
      closed = true;
      for (const channel of opened) channel.close();
    },
  };
}
