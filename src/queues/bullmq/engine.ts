import type { Limits } from '../../redis/channel.js';
import type { RedisTarget } from '../../redis/target.js';
import type { Engine } from '../engine.js';
import { openNodes } from './nodes.js';
import { reader } from './reading.js';
import { writer } from './writing.js';

/** The BullMQ queues of one Redis; `prefixes` are those that are known beforehand. */
export function openBullmq(
  target: RedisTarget,
  prefixes: readonly string[],
  limits: Limits,
): Engine {
  const nodes = openNodes(target, limits);
  return {
    name: 'bullmq',
    source: target.name,
    ...reader(nodes, prefixes),
    ...writer(nodes),
    close: async () => nodes.close(),
  };
}
