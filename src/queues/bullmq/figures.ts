import type { Channel } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import type { QueueRef, QueueSnapshot } from '../queue.js';
import type { Trouble } from '../trouble.js';
import { hashTag, isMarker, PARTS, workerName } from './keys.js';
import type { Nodes } from './nodes.js';
import { isWrongType, type RawQueue, type Reading, readRaw } from './raw.js';
import { WAYS, type Way } from './scripts.js';

/** Figures in the order of the queues, and by which way their Redis lets scripts be run; why, where by none. */
export interface Figures extends Pick<Reading, 'way' | 'because'> {
  queues: (QueueSnapshot & Trouble)[];
}

/**
 * Queues as they stand at `now` (ms since 1970). Raw reads only: BullMQ's getJobs may remove a marker
 * that an older version has left.
 */
export async function figuresOf(
  nodes: Nodes,
  queues: readonly QueueRef[],
  now: number,
  known?: Way,
): Promise<Figures> {
  if (queues.length === 0) return { queues: [], way: known ?? 'eval_ro' };
  const masters = await nodes.masters();
  const owners = await Promise.all(queues.map((queue) => nodes.of(queue)));
  const connected = Promise.all(masters.map(clientsOf));
  const raw = new Map<QueueRef, RawQueue>();
  const readings = await Promise.all(
    bySlot(nodes, queues).map(async (some) => {
      const channel = owners[queues.indexOf(some[0] as QueueRef)] as Channel;
      const reading = await readRaw(channel, some, now, known);
      for (const [index, queue] of some.entries()) raw.set(queue, reading.raw[index] as RawQueue);
      return reading;
    }),
  );
  const clients = await connected;
  const figures = queues.map((ref, at) => {
    const owner = clients[masters.indexOf(owners[at] as Channel)];
    const { engine, source, scope, queue } = ref;
    const workers = workersOf(clients, owner, workerName(scope, queue));
    return { engine, source, scope, queue, ...figuresIn(raw.get(ref) as RawQueue, now), workers };
  });
  const [{ way, because }] = readings.sort((a, b) => WAYS.indexOf(b.way) - WAYS.indexOf(a.way)) as [
    Reading,
  ];
  return { queues: figures, way, ...(because !== undefined && { because }) };
}

/** The keys of one call must be of one slot; without a cluster there are none. */
function bySlot({ clustered }: Nodes, queues: readonly QueueRef[]): QueueRef[][] {
  if (!clustered) return [[...queues]];
  const slots = new Map<string, QueueRef[]>();
  for (const queue of queues) {
    const name = `${queue.scope}:${queue.queue}`;
    const slot = hashTag(name) ?? name;
    const some = slots.get(slot) ?? [];
    some.push(queue);
    slots.set(slot, some);
  }
  return [...slots.values()];
}

/** What the replies come to: the one place, in whatever way they were asked for. */
function figuresIn(
  { counts, paused, failedLastHour, ends, times, stalled }: RawQueue,
  now: number,
): Omit<QueueSnapshot & Trouble, keyof QueueRef | 'workers'> {
  const of = (state: string) =>
    sum(counts.filter((_, at) => PARTS[at]?.state === state).map(counted));
  const ids = ends.flatMap((end) => (Array.isArray(end) ? end.map(String) : []));
  const waiting = of('waiting');
  return {
    waiting: waiting === null ? null : waiting - ids.filter(isMarker).length,
    active: of('active'),
    delayed: of('delayed'),
    blocked: of('blocked'),
    completed: of('completed'),
    failed: of('failed'),
    paused: paused instanceof ReplyError ? null : paused !== null,
    oldest_waiting_ms: oldest([...ends, ...times], times, now),
    failed_last_hour: measured(failedLastHour),
    stalled: measured(stalled),
  };
}

const measured = (reply: Reply) => (typeof reply === 'number' ? reply : null);

/** A key of another type has no jobs; what else cannot be counted is not known. */
const counted = (reply: Reply) => (isWrongType(reply) ? 0 : measured(reply));

function sum(counts: readonly (number | null)[]): number | null {
  return counts.includes(null)
    ? null
    : counts.reduce<number>((all, count) => all + (count ?? 0), 0);
}

function oldest(asked: readonly Reply[], times: readonly Reply[], now: number): number | null {
  if (asked.some((reply) => reply instanceof ReplyError && !isWrongType(reply))) return null;
  const since = times.flatMap((reply) => {
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
