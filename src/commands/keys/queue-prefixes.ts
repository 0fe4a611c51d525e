import type { Config } from '../../config/load.js';
import { toBytes } from '../../keys/names.js';
import type { RedisTarget } from '../../redis/target.js';

/** What the configuration says of BullMQ queues on this Redis, as bytes. */
export function queuePrefixes(config: Config, target: RedisTarget): string[] {
  return config.queues.flatMap((queue) =>
    queue.engine === 'bullmq' && queue.redis === target.name ? toBytes(queue.prefix) : [],
  );
}
