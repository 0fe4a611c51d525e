import { type Channel, demand } from '../../redis/channel.js';
import type { Chosen } from '../operation.js';
import type { QueueRef } from '../queue.js';
import { parseJson } from './job.js';
import { key } from './keys.js';
import { RETRY_PLAIN } from './lua/retry-plain.js';
import { evaluate, script } from './scripts.js';
import type { Answer } from './writing.js';

const PLAIN = script(RETRY_PLAIN);

/** Keys of one EXISTS. */
const MANY = 100;

/**
 * Whether none of the jobs is held by a worker. A lock on a failed job is older than its failure: none
 * can come while it stays failed. The lock that fences a cancelled one is gone `hold` ms afterwards, so of
 * those that failed twice as long ago (clocks differ) none is asked.
 */
export async function areFree(
  channel: Channel,
  { scope, queue }: QueueRef,
  jobs: readonly Chosen[],
  hold: number,
): Promise<boolean> {
  const asked: string[][] = [];
  const recent = jobs.filter(({ seen }) => Number(seen) > Date.now() - 2 * hold);
  for (let from = 0; from < recent.length; from += MANY) {
    const some = recent.slice(from, from + MANY);
    asked.push(['EXISTS', ...some.map(({ id }) => key(scope, queue, `${id}:lock`))]);
  }
  return (await channel.pipeline(asked)).every((held) => demand(held) === 0);
}

/** Whether a job is known by the time it finished alone. */
export const isFinished = ({ seen }: Chosen) => /^\d+$/.test(seen);

/**
 * Retries those of the jobs of which nothing needs to be known but that they are as they were chosen.
 * Undefined for the others, which are to be looked at: the script for those takes three times as long.
 */
export async function retryPlain(
  channel: Channel,
  { scope, queue }: QueueRef,
  jobs: readonly Chosen[],
): Promise<(Answer | undefined)[]> {
  const base = key(scope, queue, '');
  const args = [base, ...jobs.map(({ id }) => id), ...jobs.map(({ seen }) => seen)];
  const reply = await evaluate(channel, PLAIN, [`${base}meta`], args);
  const [stands, ...others] = reply as [string, ...number[]];
  const waiting: Answer = ['done', `waiting${stands}`];
  const answers: (Answer | undefined)[] = jobs.map(() => waiting);
  for (let at = 0; at < others.length; at += 2) {
    const [number, priority] = others.slice(at, at + 2) as [number, number];
    answers[number - 1] =
      priority < 0 ? undefined : ['done', `waiting, priority ${priority}${stands}`];
  }
  return answers;
}

/** Characters of job data that are fetched at once, unless one job has more. */
const MOST_DATA = 4_000_000;

/** For each of these jobs, whether a worker could read its data; none has to be there. */
export async function areReadable(
  channel: Channel,
  { scope, queue }: QueueRef,
  ids: readonly string[],
): Promise<boolean[]> {
  const keys = ids.map((id) => key(scope, queue, id));
  const lengths = await channel.pipeline(keys.map((job) => ['HSTRLEN', job, 'data']));
  const readable: boolean[] = [];
  for (let from = 0; from < keys.length; ) {
    let to = from;
    for (let sum = 0; to < keys.length && (to === from || sum <= MOST_DATA); to += 1)
      sum += Number(lengths[to]) || 0;
    const page = keys.slice(from, to).map((job) => ['HGET', job, 'data']);
    for (const data of await channel.pipeline(page))
      readable.push(typeof data !== 'string' || parseJson(data).ok);
    from = to;
  }
  return readable;
}
