import type { Channel } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import { isMarker, key, PARTS, type QueueName } from './keys.js';
import { FIGURES } from './lua/figures.js';
import { runReading, script, type Way } from './scripts.js';

/** What a server answers about one queue. An error stands where the figure would. */
export interface RawQueue {
  /** How many are in each of PARTS. */
  counts: Reply[];
  /** The field of `meta`. */
  paused: Reply;
  failedLastHour: Reply;
  /** The ids that come next in wait, paused and prioritized: two of each. */
  ends: Reply[];
  /** `timestamp` and `delay` of these, markers left out. */
  times: Reply[];
  /** Active jobs without a lock, of those that are looked at. */
  stalled: Reply;
}

const HOUR = 3_600_000;
/** So many active jobs are looked at: a queue has as many as its workers take at once. */
const MOST_ACTIVE = 1_000;
/**
 * Nothing else runs on the server while a script does, so that each call stops after about this much
 * work. A unit is a microsecond at most: an active job takes 0.6, an empty queue 7, a busy one 19.
 */
const BUDGET = 1_250;
const QUEUE_COST = 20;
const MOST_QUEUES = BUDGET / QUEUE_COST;

const SCRIPT = script(FIGURES);

/** Raw figures in the order of the queues, and by which way scripts can be run; why, where by none. */
export interface Reading {
  raw: RawQueue[];
  way: Way;
  because?: string;
}

/**
 * Reads queues of one node, on a cluster of one slot: by a script, some sixty a call, or where scripts
 * cannot be run by some fifteen commands a queue. Reads only.
 */
export async function readRaw(
  channel: Channel,
  queues: readonly QueueName[],
  now: number,
  known: Way = 'eval_ro',
): Promise<Reading> {
  const raw: RawQueue[] = [];
  let way = known;
  while (way !== 'none' && raw.length < queues.length) {
    const some = queues.slice(raw.length, raw.length + MOST_QUEUES);
    const metas = some.map(({ scope, queue }) => key(scope, queue, 'meta'));
    const args = [now - HOUR, MOST_ACTIVE, BUDGET, QUEUE_COST];
    const answer = await runReading(channel, SCRIPT, metas, args, way);
    way = answer.way;
    const fault = faultIn(answer.reply);
    // Command by command it shows which of them is refused, and the others are answered.
    if (fault) return { raw: await eachOf(channel, queues, now), way: 'none', because: fault };
    raw.push(...(answer.reply as Reply[][]).map(toRaw));
  }
  if (way === 'none') return { raw: await eachOf(channel, queues, now), way };
  return { raw, way };
}

function toRaw([counts, paused, failedLastHour, ends, times, stalled]: Reply[]): RawQueue {
  return { counts, paused, failedLastHour, ends, times, stalled } as RawQueue;
}

/** An error other than that of a key of another type, which says the same in whatever way it is asked. */
function faultIn(reply: Reply): string | undefined {
  if (reply instanceof ReplyError) return isWrongType(reply) ? undefined : reply.message;
  if (!Array.isArray(reply)) return undefined;
  for (const item of reply) {
    const fault = faultIn(item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

export const isWrongType = (reply: Reply | undefined) =>
  reply instanceof ReplyError && reply.code === 'WRONGTYPE';

/** So many at a time, so that others get their turn on the server in between. */
const AT_ONCE = 50;

async function eachOf(channel: Channel, queues: readonly QueueName[], now: number) {
  const raw: RawQueue[] = [];
  for (let from = 0; from < queues.length; from += AT_ONCE) {
    const some = queues.slice(from, from + AT_ONCE);
    raw.push(...(await Promise.all(some.map((queue) => readOne(channel, queue, now)))));
  }
  return raw;
}

async function readOne(
  channel: Channel,
  { scope, queue }: QueueName,
  now: number,
): Promise<RawQueue> {
  const at = (part: string) => key(scope, queue, part);
  const replies = await channel.pipeline([
    ...PARTS.map(({ name, kind }) => [kind === 'list' ? 'LLEN' : 'ZCARD', at(name)]),
    ['HGET', at('meta'), 'paused'],
    // Scored by the time they failed.
    ['ZCOUNT', at('failed'), now - HOUR, '+inf'],
    // Jobs are taken from the right end.
    ['LRANGE', at('wait'), -2, -1],
    ['LRANGE', at('paused'), -2, -1],
    ['ZRANGE', at('prioritized'), 0, 1],
    ['LRANGE', at('active'), 0, MOST_ACTIVE - 1],
  ]);
  const counts = replies.splice(0, PARTS.length);
  const [paused, failedLastHour, ...lists] = replies as [Reply, Reply, ...Reply[]];
  const active = lists.pop() as Reply;
  const next = lists.flatMap(jobsIn);
  const [times, stalled] = await Promise.all([
    channel.pipeline(next.map((id) => ['HMGET', at(id), 'timestamp', 'delay'])),
    active instanceof ReplyError ? active : stalledOf(channel, at, jobsIn(active)),
  ]);
  return { counts, paused, failedLastHour, ends: lists, times, stalled };
}

/** The ids of jobs in a reply; none in an error. */
function jobsIn(reply: Reply): string[] {
  return Array.isArray(reply) ? reply.map(String).filter((id) => !isMarker(id)) : [];
}

/**
 * Active jobs without a lock. One that has finished since the list was read has none either: those
 * that seem to are looked at once more, and must still be in the list after that.
 */
async function stalledOf(
  channel: Channel,
  at: (part: string) => string,
  ids: readonly string[],
): Promise<Reply> {
  if (ids.length === 0) return 0;
  const locks = ids.map((id) => `${at(id)}:lock`);
  const locked = await channel.send('EXISTS', ...locks);
  if (locked === ids.length) return 0;
  if (typeof locked !== 'number') return locked;
  const replies = await channel.pipeline([
    ...locks.map((lock) => ['EXISTS', lock]),
    ['LRANGE', at('active'), 0, MOST_ACTIVE - 1],
  ]);
  const still = new Set(jobsIn(replies.pop() as Reply));
  return ids.filter((id, index) => replies[index] === 0 && still.has(id)).length;
}
