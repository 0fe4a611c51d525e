import type { Channel } from '../../redis/channel.js';
import type { Engine } from '../engine.js';
import type { QueueRef } from '../queue.js';
import { findQueues, isQueue, look } from './discover.js';
import { figuresOf } from './figures.js';
import { jobsOf } from './jobs.js';
import { hashTag, isJobId, key, type QueueName } from './keys.js';
import { newestIn } from './newest.js';
import type { Nodes } from './nodes.js';
import { showJob } from './show.js';
import { statsOf } from './stats.js';

type Reader = Pick<
  Engine,
  'discover' | 'existing' | 'snapshots' | 'holding' | 'jobs' | 'newest' | 'show' | 'stats'
>;

/** Raw reads: opening BullMQ's own Queue writes its `meta`, and its getJobs may remove a marker. */
export function reader(nodes: Nodes, prefixes: readonly string[]): Reader {
  return {
    async discover() {
      const masters = await nodes.masters();
      const queues = new Map<string, QueueName>();
      const search = async (channel: Channel) => {
        for await (const found of findQueues(channel, prefixes))
          queues.set(key(found.scope, found.queue, 'meta'), found);
      };
      await Promise.all(masters.map(search));
      return [...queues.values()]
        .filter((queue) => masters.length === 1 || isTagged(queue))
        .map((queue) => ({ engine: 'bullmq' as const, source: nodes.source, ...queue }))
        .sort(byName);
    },
    existing: (queues) =>
      onNodes(nodes, queues, async (channel, some) => {
        const metas = some.map(({ scope, queue }) => key(scope, queue, 'meta'));
        const marks = await channel.pipeline(look(metas));
        return marks.map(isQueue);
      }),
    snapshots: async (queues) => (await figuresOf(nodes, queues, Date.now())).queues,
    holding: (queues, id) =>
      onNodes(nodes, isJobId(id) ? queues : [], async (channel, some) => {
        const jobs = some.map(({ scope, queue }) => key(scope, queue, id));
        const found = await channel.pipeline(jobs.map((job) => ['EXISTS', job]));
        return found.map((reply) => reply === 1);
      }),
    async *jobs(queue, filter, bare) {
      yield* jobsOf(await nodes.of(queue), queue, filter, bare);
    },
    newest: (queues, states, limit) => newestIn(nodes, queues, states, limit),
    show: async (queue, id) => showJob(await nodes.of(queue), queue, id),
    stats: async (queue, sample) => statsOf(await nodes.of(queue), queue, sample),
  };
}

/**
 * A `meta` without a hash tag on a cluster: its queue has never worked there, as its scripts are
 * refused (CROSSSLOT) after `meta` has been written.
 */
function isTagged({ scope, queue }: QueueName): boolean {
  return hashTag(`${scope}:${queue}`) !== undefined;
}

/** The queues for which `ask` says yes, asked in one pipeline for each node. */
async function onNodes(
  nodes: Nodes,
  queues: readonly QueueRef[],
  ask: (channel: Channel, queues: QueueRef[]) => Promise<boolean[]>,
): Promise<QueueRef[]> {
  const owners = await Promise.all(queues.map((queue) => nodes.of(queue)));
  const chosen = new Set<QueueRef>();
  await Promise.all(
    [...new Set(owners)].map(async (channel) => {
      const some = queues.filter((_, index) => owners[index] === channel);
      const answers = await ask(channel, some);
      for (const [index, queue] of some.entries()) if (answers[index]) chosen.add(queue);
    }),
  );
  return queues.filter((queue) => chosen.has(queue));
}

function byName(a: QueueName, b: QueueName): number {
  return compare(a.scope, b.scope) || compare(a.queue, b.queue);
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
