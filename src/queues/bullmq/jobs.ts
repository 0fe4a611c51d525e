import { type Channel, demand } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import { ahead } from '../ahead.js';
import { type JobFilter, matches } from '../filter.js';
import type { Job } from '../job.js';
import type { QueueRef } from '../queue.js';
import {
  emptyJob,
  type Fields,
  JOB_FIELDS,
  type Place,
  type Reading,
  readingFor,
  strayPlace,
  toJob,
} from './job.js';
import { isJobId, key, PARTS, type Part } from './keys.js';
import { locate, standing } from './places.js';
import { type Entry, listWindows, zsetWindows } from './windows.js';

/** Characters of job data that a page is to hold at most, when its jobs are like those before. */
const PAGE = 4_000_000;

/** Jobs that match, of each list and sorted set in turn, in pages of at most 1,000. */
export async function* jobsOf(
  channel: Channel,
  queue: QueueRef,
  filter: JobFilter,
  bare = false,
): AsyncGenerator<Job[]> {
  const read = pageReader(channel, queue, readingFor(filter, bare));
  const wanted = filter.ids ? namedPages(channel, queue, filter.ids, read) : allPages(filter);
  // Who only chooses changes nothing meanwhile.
  for await (const page of bare ? ahead(wanted) : wanted) {
    const found = page.filter((job) => matches(job, filter));
    if (found.length > 0) yield found;
  }

  async function* allPages({ states }: JobFilter): AsyncGenerator<Job[]> {
    for (const part of PARTS) {
      if (states.length > 0 && !states.includes(part.state)) continue;
      const windows = windowsOf(channel, queue, part, filter, bare);
      for await (const window of bare ? ahead(windows) : windows)
        yield* read(
          window.map(({ id, score, written }) => ({ id, state: part.state, score, written })),
          part,
        );
    }
  }
}

function windowsOf(
  channel: Channel,
  { scope, queue }: QueueRef,
  { name, kind }: Part,
  { before, after }: JobFilter,
  bare: boolean,
): AsyncGenerator<Entry[]> {
  const at = key(scope, queue, name);
  if (kind === 'list') return listWindows(channel, at);
  // The score is the time that a filter's age is about for finished jobs only.
  if (name !== 'completed' && name !== 'failed') return zsetWindows(channel, at);
  // The oldest first, as they are to run again.
  return zsetWindows(channel, at, { from: after, to: before, up: bare });
}

type Read = (places: readonly Place[], part?: Part) => AsyncGenerator<Job[]>;

async function* namedPages(
  channel: Channel,
  queue: QueueRef,
  named: readonly string[],
  read: Read,
): AsyncGenerator<Job[]> {
  const ids = [...new Set(named)].filter(isJobId);
  const places = await locate(channel, queue, ids);
  yield* read(ids.flatMap((id) => places.get(id) ?? []));
  const nowhere = ids.filter((id) => !places.has(id));
  for (let start = 0; start < nowhere.length; start += 500)
    yield await strays(channel, queue, nowhere.slice(start, start + 500));
}

/** Of jobs that stand in no list, those that have a hash nevertheless: no worker will ever take them. */
async function strays(channel: Channel, queue: QueueRef, ids: string[]): Promise<Job[]> {
  const hashes = await readFields(channel, queue, ids);
  return ids.flatMap((id, index): Job[] => {
    const fields = hashes[index];
    if (fields === undefined) return [];
    return [{ ...jobFrom(queue, strayPlace(id, fields), fields), problem: 'corrupt' }];
  });
}

/** Reads jobs in pages of a bounded size; those that have left `part` since their id was read are left out. */
function pageReader(channel: Channel, queue: QueueRef, reading: Reading): Read {
  let size = 100;
  return async function* read(places, part) {
    if (reading.fields.length === 0) {
      yield places.map((place) => reading.toJob(queue, place, NOTHING));
      return;
    }
    for (let start = 0; start < places.length; ) {
      const page = places.slice(start, start + size);
      start += page.length;
      const hashes = await readFields(
        channel,
        queue,
        page.map(({ id }) => id),
        reading.fields,
      );
      const jobs = page.map((place, index) => jobFrom(queue, place, hashes[index], reading));
      const length = hashes.reduce((sum, fields) => sum + lengthOf(fields), 1);
      size = Math.min(1_000, Math.max(1, Math.floor((PAGE / length) * page.length)));
      yield await withoutGone(channel, queue, part, jobs);
    }
  };
}

/** The place of a job says it all. */
const NOTHING: Fields = {};

function lengthOf(fields: Fields | ReplyError | undefined): number {
  return fields === undefined || fields instanceof ReplyError ? 0 : (fields.data?.length ?? 0);
}

async function withoutGone(
  channel: Channel,
  queue: QueueRef,
  part: Part | undefined,
  jobs: Job[],
): Promise<Job[]> {
  const ghosts = jobs.filter(({ problem }) => problem === 'ghost').map(({ id }) => id);
  if (ghosts.length === 0 || part === undefined) return jobs;
  const there = await standing(channel, queue, part, ghosts);
  return jobs.filter(({ id, problem }) => problem !== 'ghost' || there.has(id));
}

/** A job from what `readFields` has said of its hash. */
export function jobFrom(
  queue: QueueRef,
  place: Place,
  fields: Fields | ReplyError | undefined,
  reading: Pick<Reading, 'toJob'> = { toJob },
): Job {
  if (fields === undefined) return emptyJob(queue, place, 'ghost');
  if (fields instanceof ReplyError) return emptyJob(queue, place, 'corrupt');
  return reading.toJob(queue, place, fields);
}

/** The fields of each job: an error for a key of another type, undefined where there is none. */
export async function readFields(
  channel: Channel,
  { scope, queue }: QueueRef,
  ids: readonly string[],
  names: readonly string[] = JOB_FIELDS,
): Promise<(Fields | ReplyError | undefined)[]> {
  const replies = await channel.pipeline(
    ids.map((id) => ['HMGET', key(scope, queue, id), ...names]),
  );
  return replies.map((reply) => toFields(reply, names));
}

function toFields(reply: Reply, names: readonly string[]): Fields | ReplyError | undefined {
  if (reply instanceof ReplyError && reply.code === 'WRONGTYPE') return reply;
  const values = demand(reply) as (string | null)[];
  if (values.every((value) => value === null)) return undefined;
  const fields: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const value = values[index];
    if (value !== null && value !== undefined) fields[name] = value;
  }
  return fields;
}
