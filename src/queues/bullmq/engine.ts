import type { Limits } from '../../redis/channel.js';
import { openConnections } from '../../redis/connections.js';
import type { RedisTarget } from '../../redis/target.js';
import type { Engine } from '../engine.js';
import { openNodes } from './nodes.js';
import type { Layout } from './pause.js';
import { reader } from './reading.js';
import { writer } from './writing.js';

/** What the configuration says of the queues under a prefix. */
interface Known {
  prefix: string;
  /** The BullMQ that their applications use. */
  version?: Layout | undefined;
}

/** The BullMQ queues of one Redis, under any prefix. */
export function openBullmq(target: RedisTarget, known: readonly Known[], limits: Limits): Engine {
  const prefixes = known.map(({ prefix }) => prefix);
  const layouts = known.flatMap(({ prefix, version }) =>
    version ? [[prefix, version] as const] : [],
  );
  const nodes = openNodes(openConnections(target, limits));
  return {
    name: 'bullmq',
    // The second is there when the first is through.
    lanes: 2,
    source: target.name,
    ...reader(nodes, prefixes),
    ...writer(nodes, new Map(layouts)),
    close: async () => nodes.close(),
  };
}
