import { type Channel, type Limits, openChannel } from '../../redis/channel.js';
import type { Access } from '../../redis/target.js';

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
