import type { Channel } from '../../redis/channel.js';
import type { Reply } from '../../redis/resp.js';
import type { QueueSnapshot } from '../queue.js';
import { discoverQueues } from './discover.js';
import { key, workerName } from './keys.js';

/**
 * Every queue under a prefix on one node as it stands, at `now` (ms since 1970). Raw reads only:
 * BullMQ's getJobs may remove a marker that an older version has left.
 */
export async function snapshotQueues(
  channel: Channel,
  source: string,
  prefix: string,
  now: number,
): Promise<QueueSnapshot[]> {
  const queues = await discoverQueues(channel, prefix);
  if (queues.length === 0) return [];
  const clients = await clientNames(channel);
  return Promise.all(
    queues.map(async (queue) => ({
      engine: 'bullmq' as const,
      source,
      scope: prefix,
      queue,
      ...(await countsOf(channel, prefix, queue, now)),
      workers: clients ? workersOf(clients, prefix, queue) : null,
    })),
  );
}

async function countsOf(channel: Channel, prefix: string, queue: string, now: number) {
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
      ['ZRANGE', at('prioritized'), 0, 0],
    ])) as Reply[];
  const ids = ends.flatMap((end) => (Array.isArray(end) ? end.map(String) : []));
  return {
    waiting: number(wait) + number(held) + number(prioritized),
    active: number(active),
    delayed: number(delayed),
    blocked: number(blocked),
    completed: number(completed),
    failed: number(failed),
    paused: paused !== null && paused !== undefined,
    oldest_waiting_ms: await oldest(channel, ids.filter(isJob).map(at), now),
  };
}

/** BullMQ before 5 left markers such as `0:0` among the ids. */
const isJob = (id: string) => !id.startsWith('0:');

async function oldest(channel: Channel, jobs: string[], now: number): Promise<number | null> {
  if (jobs.length === 0) return null;
  const replies = await channel.pipeline(jobs.map((job) => ['HMGET', job, 'timestamp', 'delay']));
  const since = replies.flatMap((reply) => {
    if (!Array.isArray(reply) || reply[0] === null) return [];
    return [Number(reply[0]) + Number(reply[1] ?? 0)];
  });
  return since.length > 0 ? Math.max(0, now - Math.min(...since)) : null;
}

/** The names of all connections; undefined when the user may not list them. */
async function clientNames(channel: Channel): Promise<string[] | undefined> {
  const reply = await channel.send('CLIENT', 'LIST');
  if (typeof reply !== 'string') return undefined;
  return reply.split('\n').flatMap((line) => / name=(\S+)/.exec(line)?.[1] ?? []);
}

function workersOf(clients: string[], prefix: string, queue: string): number {
  const name = workerName(prefix, queue);
  return clients.filter((client) => client === name || client.startsWith(`${name}:w:`)).length;
}

/** An error (a key of another type) counts nothing rather than hide the other figures. */
function number(reply: Reply | undefined): number {
  return typeof reply === 'number' ? reply : 0;
}
