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
  const connected = Promise.all(masters.map(clientsOf));
  return Promise.all(
    queues.map(async ({ engine, source, scope, queue }, index) => {
      const channel = owners[index] as Channel;
      const counts = await countsOf(channel, scope, queue, now);
      const clients = await connected;
      const owner = clients[masters.indexOf(channel)];
      const workers = workersOf(clients, owner, workerName(scope, queue));
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

/** Who is connected to a node. */
interface Clients {
  /** How many connections have a name, by the name. */
  named: Map<string, number>;
  /** Somebody without a name has waited for a job, or run a script. */
  nameless: boolean;
}

/** Undefined when the user may not list them. */
async function clientsOf(channel: Channel): Promise<Clients | undefined> {
  const reply = await channel.send('CLIENT', 'LIST');
  if (typeof reply !== 'string') return undefined;
  const clients: Clients = { named: new Map(), nameless: false };
  for (const line of reply.split('\n')) {
    const name = / name=(\S*)/.exec(line)?.[1] ?? '';
    if (name !== '') clients.named.set(name, (clients.named.get(name) ?? 0) + 1);
    else if (/ cmd=(bzpopmin|evalsha|eval) /.test(line)) clients.nameless = true;
  }
  return clients;
}

/**
 * The connection on which a worker waits for jobs has its queue's name. On a cluster it is one to each
 * of several nodes, by chance until it has waited on the one that has the queue, and nothing says
 * which are of one worker: as many as a node sees at most, there are at least. BullMQ 5 gives them no
 * name there (`duplicate` of ioredis's Cluster takes the nodes first), so that somebody nameless on
 * the queue's node may be a worker. Null where it cannot be told.
 */
function workersOf(
  masters: readonly (Clients | undefined)[],
  owner: Clients | undefined,
  own: string,
): number | null {
  if (owner === undefined) return null;
  const seen = new Map<string, number>();
  for (const clients of masters) {
    if (clients === undefined) return null;
    for (const [name, count] of clients.named) {
      if (name === own || name.startsWith(`${own}:w:`))
        seen.set(name, Math.max(count, seen.get(name) ?? 0));
    }
  }
  const workers = [...seen.values()].reduce((sum, count) => sum + count, 0);
  return workers === 0 && masters.length > 1 && owner.nameless ? null : workers;
}

/** An error (a key of another type) counts nothing rather than hide the other figures. */
function number(reply: Reply | undefined): number {
  return typeof reply === 'number' ? reply : 0;
}
