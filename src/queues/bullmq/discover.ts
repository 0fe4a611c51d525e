import { type Channel, demand } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';
import { literal, queueOf } from './keys.js';

/** Small enough that other clients do not notice. */
const STEP = 500;

/**
 * The names of the queues under a prefix on one node, sorted. Reads only: BullMQ's own Queue object
 * would write the `meta` key of whatever it is opened on.
 */
export async function discoverQueues(channel: Channel, prefix: string): Promise<string[]> {
  const candidates = new Set<string>();
  let cursor = '0';
  do {
    const reply = demand(
      await channel.send('SCAN', cursor, 'MATCH', `${literal(prefix)}:*:meta`, 'COUNT', STEP),
    );
    const [next, keys] = reply as [string, string[]];
    for (const found of keys) candidates.add(found);
    cursor = next;
  } while (cursor !== '0');
  const metas = [...candidates].sort();
  // Somebody else's key may end in ":meta" too.
  const fields = await channel.pipeline(
    metas.map((meta) => ['HMGET', meta, 'opts.maxLenEvents', 'version']),
  );
  return metas
    .filter((_, index) => {
      const values = fields[index];
      return !(values instanceof ReplyError) && Array.isArray(values) && values.some(Boolean);
    })
    .map((meta) => queueOf(prefix, meta));
}
