import { isQueue, look } from '../queues/bullmq/discover.js';
import { ReplyError } from '../redis/resp.js';

import type { Masters } from './masters.js';
import { walkKeys } from './walk.js';

/** The BullMQ queues of a Redis, to tell their keys from others. */
export interface QueueKeys {
  /** The queue that a key belongs to, as bytes (`bull:mail`); undefined for any other key. */
  queueOf(key: string): string | undefined;
}

const END = ':meta';

/**
 * Finds the queues by their `meta` keys. What stands under one of `prefixes` (bytes; of the
 * configuration) counts as a queue's whether or not its `meta` key is there.
 */
export async function findQueueKeys(
  masters: Masters,
  prefixes: readonly string[],
  signal: AbortSignal,
): Promise<QueueKeys> {
  const queues = new Set<string>();
  const wanted = { match: `*${END}`, facts: false, sizes: false };
  const take = async ({
    master,
    keys,
  }: {
    master: (typeof masters.nodes)[0];
    keys: { key: string }[];
  }) => {
    const names = keys.map(({ key }) => key);
    const marks = await masters.ask(master, look(names));
    for (const [index, name] of names.entries()) {
      const mark = marks[index];
      // One that may not be looked at could be a queue's, and then it is to be spared.
      const hidden = mark instanceof ReplyError && mark.code === 'NOPERM';
      if (hidden || isQueue(mark)) queues.add(name.slice(0, -END.length));
    }
  };
  await walkKeys(masters, wanted, take, signal);
  signal.throwIfAborted();
  return {
    queueOf(key) {
      for (let colon = key.indexOf(':'); colon >= 0; colon = key.indexOf(':', colon + 1)) {
        const name = key.slice(0, colon);
        if (queues.has(name)) return name;
      }
      const prefix = prefixes.find((one) => key.startsWith(`${one}:`));
      if (prefix === undefined) return undefined;
      const [queue] = key.slice(prefix.length + 1).split(':', 1);
      return `${prefix}:${queue}`;
    },
  };
}
