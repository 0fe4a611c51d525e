import { type Channel, demand } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import type { Job } from '../job.js';
import { newestOf, timeOf } from '../listing.js';
import type { JobState, QueueRef } from '../queue.js';
import { type Place, toJob } from './job.js';
import { jobFrom, readFields } from './jobs.js';
import { isMarker, key, PARTS, type Part } from './keys.js';
import type { Nodes } from './nodes.js';
import { standing } from './places.js';

/** So many commands are on their way at once: other clients get in between. */
const BATCH = 500;

/** An id that may be on the page: its hash is not read yet, `at` is the latest that it can be of. */
interface Candidate {
  queue: QueueRef;
  part: Part;
  place: Place;
  at: number;
  job?: Job;
}

/**
 * The newest `limit` jobs of all these queues together, in any of these states, and whether there are
 * more. Ids and times alone are read of the first `limit` of each list and sorted set, whole jobs
 * only of what is on the page: 200 queues cost what a few did.
 */
export async function newestIn(
  nodes: Nodes,
  queues: readonly QueueRef[],
  states: readonly JobState[],
  limit: number,
): Promise<{ jobs: Job[]; more: boolean }> {
  const owners = new Map<Channel, QueueRef[]>();
  for (const queue of queues) {
    const channel = await nodes.of(queue);
    owners.set(channel, [...(owners.get(channel) ?? []), queue]);
  }
  const found = await Promise.all(
    [...owners].map(([channel, own]) => newestOn(channel, own, states, limit)),
  );
  const all = newestOf(
    found.flatMap(({ jobs }) => jobs),
    limit,
  );
  return { jobs: all.jobs, more: all.more || found.some(({ more }) => more) };
}

async function newestOn(
  channel: Channel,
  queues: readonly QueueRef[],
  states: readonly JobState[],
  limit: number,
): Promise<{ jobs: Job[]; more: boolean }> {
  const left = await candidatesOf(channel, queues, states, limit);
  const byTime = (a: Candidate, b: Candidate) => b.at - a.at;
  left.sort(byTime);
  for (;;) {
    const unread = left.slice(0, limit).filter(({ job }) => job === undefined);
    if (unread.length === 0) break;
    const gone = await readJobs(channel, unread);
    for (const candidate of gone) left.splice(left.indexOf(candidate), 1);
    // A ghost has no time, and takes its place at the end.
    left.sort(byTime);
  }
  const jobs = left.slice(0, limit).flatMap(({ job }) => job ?? []);
  return { jobs, more: left.length > limit };
}

/** The first of each list and sorted set, one more than the page has; each job once. */
async function candidatesOf(
  channel: Channel,
  queues: readonly QueueRef[],
  states: readonly JobState[],
  limit: number,
): Promise<Candidate[]> {
  const places = queues.flatMap((queue) =>
    PARTS.filter(({ state }) => states.includes(state)).map((part) => ({ queue, part })),
  );
  const firsts = await inBatches(channel, places, ({ queue: { scope, queue }, part }) =>
    part.kind === 'list'
      ? // A marker of an older BullMQ may stand among them.
        ['LRANGE', key(scope, queue, part.name), 0, limit + 1]
      : ['ZREVRANGE', key(scope, queue, part.name), 0, limit + 1, 'WITHSCORES'],
  );
  const candidates = new Map<string, Candidate>();
  for (const [index, { queue, part }] of places.entries()) {
    for (const place of placesIn(part, firsts[index] as Reply)) {
      const name = key(queue.scope, queue.queue, place.id);
      // A job that moves meanwhile may be met twice.
      if (!candidates.has(name)) candidates.set(name, { queue, part, place, at: place.score ?? 0 });
    }
  }
  const all = [...candidates.values()];
  // The score is the time that the page is sorted by for finished jobs only.
  const untimed = all.filter(({ part }) => part.name !== 'completed' && part.name !== 'failed');
  const times = await inBatches(channel, untimed, ({ queue, place }) => [
    'HGET',
    key(queue.scope, queue.queue, place.id),
    'timestamp',
  ]);
  for (const [index, candidate] of untimed.entries()) candidate.at = Number(times[index]) || 0;
  return all;
}

/** A key that is of another type has no ids. */
function placesIn({ kind, state }: Part, reply: Reply): Place[] {
  if (reply instanceof ReplyError && reply.code === 'WRONGTYPE') return [];
  const ids = demand(reply) as string[];
  const places = ids.flatMap((id, at): Place[] => {
    if (kind === 'list') return [{ id, state }];
    return at % 2 === 0 ? [{ id, state, score: Number(ids[at + 1]) }] : [];
  });
  return places.filter(({ id }) => !isMarker(id));
}

/** Reads these jobs, and returns those that have left their place meanwhile. */
async function readJobs(channel: Channel, candidates: readonly Candidate[]): Promise<Candidate[]> {
  const gone: Candidate[] = [];
  for (const [queue, own] of byQueue(candidates)) {
    const hashes = await readFields(
      channel,
      queue,
      own.map(({ place }) => place.id),
    );
    for (const [index, candidate] of own.entries()) {
      candidate.job = jobFrom(queue, candidate.place, hashes[index], { toJob });
      candidate.at = timeOf(candidate.job);
      if (candidate.job.problem !== 'ghost') continue;
      const { id } = candidate.place;
      if (!(await standing(channel, queue, candidate.part, [id])).has(id)) gone.push(candidate);
    }
  }
  return gone;
}

function byQueue(candidates: readonly Candidate[]): Map<QueueRef, Candidate[]> {
  const groups = new Map<QueueRef, Candidate[]>();
  for (const candidate of candidates)
    groups.set(candidate.queue, [...(groups.get(candidate.queue) ?? []), candidate]);
  return groups;
}

async function inBatches<T>(
  channel: Channel,
  items: readonly T[],
  command: (item: T) => (string | number)[],
): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (let from = 0; from < items.length; from += BATCH)
    replies.push(...(await channel.pipeline(items.slice(from, from + BATCH).map(command))));
  return replies;
}
