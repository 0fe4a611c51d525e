import { type Channel, type Limits, openChannel } from '../../redis/channel.js';
import type { Access } from '../../redis/target.js';
import type { Stand } from './witness.js';

export async function withChannel<T>(
  access: Access,
  limits: Limits,
  work: (channel: Channel) => Promise<T>,
): Promise<T> {
  const channel = await openChannel(access, limits);
  try {
    return await work(channel);
  } finally {
    channel.close();
  }
}

/** For a witness of Redis alone. */
export function redisOf({ access }: Stand): Access {
  if (!access) throw new Error('the target is not a Redis');
  return access;
}
