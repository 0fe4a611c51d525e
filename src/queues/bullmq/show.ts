import { type Channel, demand } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import type { Job, JobDetail } from '../job.js';
import type { QueueRef } from '../queue.js';
import {
  emptyJob,
  type Fields,
  optionsOf,
  type Place,
  parseJson,
  strayPlace,
  toJob,
} from './job.js';
import { isJobId, key, parseJobKey, withoutPrefix } from './keys.js';
import { locate } from './places.js';

/** The newest of them; a job may log without end. */
const LOGS = 1_000;

/** A job in depth; undefined when there is none and nothing points to one. */
export async function showJob(
  channel: Channel,
  queue: QueueRef,
  id: string,
): Promise<JobDetail | undefined> {
  if (!isJobId(id)) return undefined;
  const job = key(queue.scope, queue.queue, id);
  const [places, [hash, logs, token, left, waited, processed, ignored, broken, paused]] =
    await Promise.all([
      locate(channel, queue, [id]),
      channel.pipeline([
        ['HGETALL', job],
        ['LRANGE', `${job}:logs`, -LOGS, -1],
        ['GET', `${job}:lock`],
        ['PTTL', `${job}:lock`],
        ['SMEMBERS', `${job}:dependencies`],
        // Children that have succeeded, that have failed without harm to it, and that make it fail.
        ['HKEYS', `${job}:processed`],
        ['HKEYS', `${job}:failed`],
        ['ZRANGE', `${job}:unsuccessful`, 0, -1],
        ['HGET', key(queue.scope, queue.queue, 'meta'), 'paused'],
      ]),
    ]);
  const place = places.get(id);
  const fields = fieldsOf(hash as Reply);
  if (fields === undefined && !place) return undefined;
  const base = baseOf(queue, place, fields, id);
  const known: Fields = fields === undefined || fields instanceof ReplyError ? {} : fields;
  return {
    ...base,
    result: parsed(known.returnvalue),
    stack: stackOf(known.stacktrace),
    logs: texts(logs),
    progress: parsed(known.progress),
    parent: parentOf(known, queue.scope),
    children: [
      ...texts(waited).map((child) => ({ ...parseJobKey(child, queue.scope), done: false })),
      ...[processed, ignored, broken]
        .flatMap(texts)
        .map((child) => ({ ...parseJobKey(child, queue.scope), done: true })),
    ],
    scheduler: schedulerOf(id, known),
    lock: typeof token === 'string' ? { token, expires_in_ms: timeLeft(left) } : null,
    dead_letter: { from: null, to: null },
    retry: retryOf(base, place !== undefined, known, typeof paused === 'string'),
  };
}

function baseOf(
  queue: QueueRef,
  place: Place | undefined,
  fields: Fields | ReplyError | undefined,
  id: string,
): Job {
  const at = place ?? strayPlace(id, fields ?? {});
  if (fields === undefined) return emptyJob(queue, at, 'ghost');
  if (fields instanceof ReplyError) return emptyJob(queue, at, 'corrupt');
  const job = toJob(queue, at, fields);
  return place ? job : { ...job, problem: 'corrupt' };
}

function fieldsOf(hash: Reply): Fields | ReplyError | undefined {
  if (hash instanceof ReplyError && hash.code === 'WRONGTYPE') return hash;
  const flat = demand(hash) as string[];
  if (flat.length === 0) return undefined;
  const fields: Record<string, string> = {};
  for (let at = 0; at + 1 < flat.length; at += 2)
    fields[flat[at] as string] = flat[at + 1] as string;
  return fields;
}

/** A value as its JSON says, or as it is written where it is none. */
function parsed(text: string | undefined): unknown {
  if (text === undefined) return null;
  const { ok, value } = parseJson(text);
  return ok ? value : text;
}

/** One entry for each attempt that has failed. */
function stackOf(text: string | undefined): string[] {
  const stack = parsed(text);
  return Array.isArray(stack) ? stack.map(String) : stack === null ? [] : [String(stack)];
}

function parentOf({ parent, parentKey }: Fields, scope: string): JobDetail['parent'] {
  const { value } = parseJson(parent);
  if (value !== null && typeof value === 'object' && 'id' in value && 'queueKey' in value)
    return { id: String(value.id), queue: withoutPrefix(String(value.queueKey), scope) };
  return parentKey ? parseJobKey(parentKey, scope) : null;
}

/** `rjk` of a job scheduler; older repeated jobs say it in their options or only by their id. */
export function schedulerOf(id: string, fields: Fields): string | null {
  const { repeat } = optionsOf(fields) ?? {};
  const options = repeat !== null && typeof repeat === 'object' ? repeat : {};
  const named = 'key' in options ? String(options.key) : undefined;
  return fields.rjk ?? named ?? /^repeat:(.+):\d+$/.exec(id)?.[1] ?? null;
}

const timeLeft = (reply: Reply | undefined) =>
  typeof reply === 'number' && reply >= 0 ? reply : null;

/** Where a retry would put it, or why there can be none. */
function retryOf(
  { state, priority, problem, due_at }: Job,
  stands: boolean,
  fields: Fields,
  paused: boolean,
): string {
  if (problem === 'ghost') return 'not possible: only its id is left';
  if (!stands) return 'not possible: it stands in no list of its queue';
  if (problem === 'corrupt') return 'not possible: the job cannot be read';
  if (state === 'active') return 'not possible: it is running';
  if (state === 'delayed')
    return `not needed: it is due ${due_at === null ? 'later' : `at ${new Date(due_at).toISOString()}`}`;
  if (state === 'blocked') return 'not possible: it waits for its children';
  if (state === 'waiting') return 'not needed: it is waiting';
  return [
    priority > 0 ? `waiting, priority ${priority}` : 'waiting',
    ...(optionsOf(fields)?.lifo ? ['as the next one'] : []),
    ...(paused ? ['the queue is paused'] : []),
    ...(fields.parentKey ? ['its parent waits for it again'] : []),
  ].join(', ');
}

function texts(reply: Reply | undefined): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}
