import type { Channel } from '../../redis/channel.js';
import type { Reply } from '../../redis/resp.js';
import type { QueueRef, QueueSnapshot } from '../queue.js';
import { isMarker, key, workerName } from './keys.js';
import type { Nodes } from './nodes.js';

/**
 * Queues as they stand at `now` (ms since 1970), in the order given. Raw reads only: BullMQ's
 * getJobs may remove a marker that an older version has left.
 */
export async function snapshotsOf(
  nodes: Nodes,
  queues: readonly QueueRef[],
  now: number,
): Promise<QueueSnapshot[]> {
  if (queues.length === 0) return [];
  const masters = await nodes.masters();
  const owners = await Promise.all(queues.map((queue) => nodes.of(queue)));
  const clients = new Map(
    [...new Set(owners)].map((channel) => [channel, clientsOf(channel)] as const),
  );
  return Promise.all(
    queues.map(async ({ engine, source, scope, queue }, index) => {
      const channel = owners[index] as Channel;
      const counts = await countsOf(channel, scope, queue, now);
      const list = await clients.get(channel);
      const workers = list ? workersOf(list, scope, queue, masters.length > 1) : null;
      return { engine, source, scope, queue, ...counts, workers };
    }),
  );
}

type Counts = Omit<QueueSnapshot, keyof QueueRef | 'workers'>;

async function countsOf(
  channel: Channel,
  prefix: string,
  queue: string,
  now: number,
): Promise<Counts> {
  const at = (part: string) => key(prefix, queue, part);
  const [wait, held, prioritized, active, delayed, blocked, completed, failed, paused, ...ends] =
    (await channel.pipeline([
      ['LLEN', at('wait')],
      ['LLEN', at('paused')],
      ['ZCARD', at('prioritized')],
      ['LLEN', at('active')],
      ['ZCARD', at('delayed')],
      ['ZCARD', at('waiting-children')],
      ['ZCARD', at('completed')],
      ['ZCARD', at('failed')],
      ['HGET', at('meta'), 'paused'],
      // Jobs are taken from the right end.
      ['LRANGE', at('wait'), -2, -1],
      ['LRANGE', at('paused'), -2, -1],
      ['ZRANGE', at('prioritized'), 0, 1],
    ])) as Reply[];
  const ids = ends.flatMap((end) => (Array.isArray(end) ? end.map(String) : []));
  const jobs = ids.filter((id) => !isMarker(id));
  return {
    waiting: number(wait) + number(held) + number(prioritized) - (ids.length - jobs.length),
    active: number(active),
    delayed: number(delayed),
    blocked: number(blocked),
    completed: number(completed),
    failed: number(failed),
    paused: paused !== null && paused !== undefined,
    oldest_waiting_ms: await oldest(channel, jobs.map(at), now),
  };
}

async function oldest(channel: Channel, jobs: string[], now: number): Promise<number | null> {
  if (jobs.length === 0) return null;
  const replies = await channel.pipeline(jobs.map((job) => ['HMGET', job, 'timestamp', 'delay']));
  const since = replies.flatMap((reply) => {
    if (!Array.isArray(reply) || reply[0] === null) return [];
    return [Number(reply[0]) + Number(reply[1] ?? 0)];
  });
  return since.length > 0 ? Math.max(0, now - Math.min(...since)) : null;
}

interface Client {
  name: string;
  command: string;
}

/** All connections of a node; undefined when the user may not list them. */
async function clientsOf(channel: Channel): Promise<Client[] | undefined> {
  const reply = await channel.send('CLIENT', 'LIST');
  if (typeof reply !== 'string') return undefined;
  return reply.split('\n').map((line) => ({
    name: / name=(\S*)/.exec(line)?.[1] ?? '',
    command: / cmd=(\S*)/.exec(line)?.[1] ?? '',
  }));
}

/**
 * A worker waits on the node that has its queue, on one connection. On a cluster it has others of
 * that name elsewhere; and BullMQ 5 gives them no name there (`duplicate` of ioredis's Cluster takes
 * the nodes first), so that somebody who waits namelessly may be a worker of any queue.
 */
function workersOf(
  clients: Client[],
  prefix: string,
  queue: string,
  cluster: boolean,
): number | null {
  const own = workerName(prefix, queue);
  const named = clients.filter(({ name }) => name === own || name.startsWith(`${own}:w:`)).length;
  const nameless = clients.some(({ name, command }) => name === '' && command === 'bzpopmin');
  return named === 0 && cluster && nameless ? null : named;
}

/** An error (a key of another type) counts nothing rather than hide the other figures. */
function number(reply: Reply | undefined): number {
  return typeof reply === 'number' ? reply : 0;
}
