import type { Channel } from '../../redis/channel.js';
import type { Reply } from '../../redis/resp.js';
import type { QueueRef } from '../queue.js';
import type { Trouble } from '../trouble.js';
import { isMarker, key } from './keys.js';
import type { Nodes } from './nodes.js';

const HOUR = 3_600_000;
/** So many active jobs are looked at: a queue has as many as its workers take at once. */
const MOST_ACTIVE = 1_000;

/** What goes wrong in queues at `now` (ms since 1970), in the order given. Reads only. */
export async function troubleOf(
  nodes: Nodes,
  queues: readonly QueueRef[],
  now: number,
): Promise<Trouble[]> {
  return Promise.all(
    queues.map(async ({ scope, queue }) => {
      const channel = await nodes.of({ scope, queue });
      const at = (part: string) => key(scope, queue, part);
      const [failed, active] = (await channel.pipeline([
        // Scored by the time they failed.
        ['ZCOUNT', at('failed'), now - HOUR, '+inf'],
        ['LRANGE', at('active'), 0, MOST_ACTIVE - 1],
      ])) as [Reply, Reply];
      return {
        failed_last_hour: typeof failed === 'number' ? failed : null,
        stalled: Array.isArray(active) ? await stalled(channel, at, idsOf(active)) : null,
      };
    }),
  );
}

const idsOf = (list: readonly Reply[]) => list.map(String).filter((id) => !isMarker(id));

/**
 * Active jobs without a lock. One that has finished since the list was read has none either: those
 * that seem to are looked at once more, and must still be in the list after that.
 */
async function stalled(
  channel: Channel,
  at: (part: string) => string,
  ids: readonly string[],
): Promise<number | null> {
  if (ids.length === 0) return 0;
  const locks = ids.map((id) => `${at(id)}:lock`);
  const locked = await channel.send('EXISTS', ...locks);
  if (typeof locked !== 'number') return null;
  if (locked === ids.length) return 0;
  const replies = await channel.pipeline([
    ...locks.map((lock) => ['EXISTS', lock]),
    ['LRANGE', at('active'), 0, MOST_ACTIVE - 1],
  ]);
  const list = replies.pop();
  const still = new Set(Array.isArray(list) ? idsOf(list) : []);
  return ids.filter((id, index) => replies[index] === 0 && still.has(id)).length;
}
