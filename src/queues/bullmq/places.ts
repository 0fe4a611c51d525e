import type { Channel } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import type { Place } from './job.js';
import { key, PARTS, type Part, type QueueName } from './keys.js';
import { listWindows } from './windows.js';

const ZSETS = PARTS.filter(({ kind }) => kind === 'zset');
/** The shortest one first. */
const LISTS = PARTS.filter(({ kind }) => kind === 'list').sort((a, b) =>
  a.name < b.name ? -1 : 1,
);

/** So few are looked for in a list by the server; for more, the list is read once. */
const FEW = 20;

/** Where jobs stand, those that stand anywhere. */
export async function locate(
  channel: Channel,
  queue: QueueName,
  ids: readonly string[],
): Promise<Map<string, Place>> {
  const places = await locateOnce(channel, queue, ids);
  const lost = ids.filter((id) => !places.has(id));
  // It may have been moved, between two looks, from where we had yet to look to where we had looked.
  if (lost.length > 0)
    for (const [id, place] of await locateOnce(channel, queue, lost)) places.set(id, place);
  return places;
}

async function locateOnce(channel: Channel, queue: QueueName, ids: readonly string[]) {
  const places = new Map<string, Place>();
  for (let start = 0; start < ids.length; start += 500) {
    const some = ids.slice(start, start + 500);
    const replies = await channel.pipeline(
      some.flatMap((id) => ZSETS.map(({ name }) => ['ZSCORE', at(queue, name), id])),
    );
    for (const [index, id] of some.entries()) {
      for (const [part, { state }] of ZSETS.entries()) {
        const score = replies[index * ZSETS.length + part];
        if (typeof score === 'string') places.set(id, { id, state, score: Number(score) });
      }
    }
  }
  for (const part of LISTS) {
    const missing = ids.filter((id) => !places.has(id));
    for (const id of await inList(channel, at(queue, part.name), missing))
      places.set(id, { id, state: part.state });
  }
  return places;
}

/** Which of these ids still stand in a list or sorted set. */
export async function standing(
  channel: Channel,
  queue: QueueName,
  { name, kind }: Part,
  ids: readonly string[],
): Promise<Set<string>> {
  if (kind === 'list') return inList(channel, at(queue, name), ids);
  const scores = await channel.pipeline(ids.map((id) => ['ZSCORE', at(queue, name), id]));
  return new Set(ids.filter((_, index) => typeof scores[index] === 'string'));
}

async function inList(channel: Channel, list: string, ids: readonly string[]) {
  if (ids.length === 0) return new Set<string>();
  if (ids.length <= FEW) {
    const found: Reply[] = await channel.pipeline(ids.map((id) => ['LPOS', list, id]));
    // LPOS came with Redis 6.0.6.
    if (!found.some((reply) => reply instanceof ReplyError && reply.code === 'ERR'))
      return new Set(ids.filter((_, index) => typeof found[index] === 'number'));
  }
  const wanted = new Set(ids);
  const found = new Set<string>();
  for await (const window of listWindows(channel, list)) {
    for (const { id } of window) if (wanted.has(id)) found.add(id);
    if (found.size === wanted.size) break;
  }
  return found;
}

const at = ({ scope, queue }: QueueName, part: string) => key(scope, queue, part);
