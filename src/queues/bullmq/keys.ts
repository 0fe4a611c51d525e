import type { JobState, QueueRef } from '../queue.js';

/** What of a queue its keys and scripts are about. */
export type QueueName = Pick<QueueRef, 'scope' | 'queue'>;

/** A queue's keys are `<prefix>:<queue>:<part>`; the queue's name may hold colons in older estates. */
export const key = (prefix: string, queue: string, part: string) => `${prefix}:${queue}:${part}`;

/**
 * The part of a key by which a cluster chooses its slot: keys with the same one stand on one node.
 * Undefined: all of the key. https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */
export function hashTag(name: string): string | undefined {
  return /^[^{]*\{([^}]+)\}/.exec(name)?.[1];
}

/** A list or sorted set that says which jobs are in a state. */
export interface Part {
  readonly name: string;
  readonly state: JobState;
  readonly kind: 'list' | 'zset';
}

/**
 * All of them. Jobs enter a list at its left end. Scores: of completed and failed the time it
 * finished, of delayed its due time and of prioritized its priority, each with a counter below.
 * BullMQ 5 renames `wait` to `paused` for as long as a queue is paused; 6 has no `paused`.
 */
export const PARTS: readonly Part[] = [
  { name: 'wait', state: 'waiting', kind: 'list' },
  { name: 'paused', state: 'waiting', kind: 'list' },
  { name: 'prioritized', state: 'waiting', kind: 'zset' },
  { name: 'delayed', state: 'delayed', kind: 'zset' },
  { name: 'active', state: 'active', kind: 'list' },
  { name: 'waiting-children', state: 'blocked', kind: 'zset' },
  { name: 'completed', state: 'completed', kind: 'zset' },
  { name: 'failed', state: 'failed', kind: 'zset' },
];

/** The due time (ms since 1970) in the score of a delayed job: the lowest 12 bits are a counter. */
export const dueAt = (score: number) => Math.floor(score / 0x1000);

/** BullMQ before 5 left markers such as `0:0` among the ids. */
export const isMarker = (id: string) => id.startsWith('0:');

/** Keys of a queue that an id could be mistaken for. */
const OTHER_KEYS = new Set([
  ...PARTS.map(({ name }) => name),
  ...['meta', 'id', 'events', 'marker', 'pc', 'repeat', 'stalled', 'stalled-check', 'limiter'],
  ...['priority', 'delay', 'metrics:completed', 'metrics:failed'],
]);

/** Whether a key `<prefix>:<queue>:<id>` would be a job's own. */
export function isJobId(id: string): boolean {
  return (
    id !== '' &&
    !OTHER_KEYS.has(id) &&
    !/:(logs|lock|dependencies|processed|failed|unsuccessful|data)$/.test(id)
  );
}

/** The queue in a `meta` key: under one of the known prefixes (the longest that fits), or a new one. */
export function parseMeta(metaKey: string, prefixes: readonly string[]): QueueName | undefined {
  const name = metaKey.slice(0, -':meta'.length);
  const fits = prefixes.filter((prefix) => name.startsWith(`${prefix}:`));
  const scope =
    fits.sort((a, b) => b.length - a.length)[0] ??
    name.slice(0, Math.max(name.lastIndexOf(':'), 0));
  const queue = name.slice(scope.length + 1);
  return scope && queue ? { scope, queue } : undefined;
}

/** The queue (with its prefix where that is another one) and the id in a job's key. */
export function parseJobKey(jobKey: string, scope: string): { queue: string; id: string } {
  // Repeated jobs of older versions have an id with colons: `repeat:<hash>:<time>`.
  const [, place = '', id = jobKey] = /^(.*?):(repeat:[^:]+:\d+|[^:]+)$/.exec(jobKey) ?? [];
  return { queue: withoutPrefix(place, scope), id };
}

/** `mail` for `bull:mail` in a queue under `bull`; another prefix is left in its place. */
export function withoutPrefix(queueKey: string, scope: string): string {
  return queueKey.startsWith(`${scope}:`) ? queueKey.slice(scope.length + 1) : queueKey;
}

/** The name that a worker's connection has in CLIENT LIST: alone, or followed by `:w:<worker>`. */
export function workerName(prefix: string, queue: string): string {
  return `${prefix}:${Buffer.from(queue).toString('base64')}`;
}
