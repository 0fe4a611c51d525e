import { type Channel, demand } from '../../redis/channel.js';
import type { Reply } from '../../redis/resp.js';
import { parseMeta, type QueueName } from './keys.js';

/** Small enough that other clients do not notice. */
const STEP = 1_000;

/**
 * The queues on one node, under any prefix, as they are found; SCAN may find one twice. Reads only:
 * BullMQ's own Queue object would write the `meta` key of whatever it is opened on.
 */
export async function* findQueues(
  channel: Channel,
  prefixes: readonly string[],
): AsyncGenerator<QueueName> {
  let cursor = '0';
  let candidates: string[] = [];
  do {
    // The candidates of a step are looked at together with the next step: it costs no round trip.
    // Not by SCAN's own TYPE, which came with Redis 6.
    const [scanned, ...marks] = await channel.pipeline([
      ['SCAN', cursor, 'MATCH', '*:meta', 'COUNT', STEP],
      ...look(candidates),
    ]);
    yield* genuine(candidates, marks, prefixes);
    [cursor, candidates] = demand(scanned as Reply) as [string, string[]];
  } while (cursor !== '0');
  yield* genuine(candidates, await channel.pipeline(look(candidates)), prefixes);
}

/** Somebody else's key may end in ":meta" too: a queue's holds one of these. */
export function look(metaKeys: readonly string[]): string[][] {
  return metaKeys.map((metaKey) => ['HMGET', metaKey, 'opts.maxLenEvents', 'version']);
}

export function isQueue(mark: Reply | undefined): boolean {
  return Array.isArray(mark) && mark.some(Boolean);
}

function genuine(metaKeys: string[], marks: Reply[], prefixes: readonly string[]): QueueName[] {
  return metaKeys
    .filter((_, index) => isQueue(marks[index]))
    .flatMap((metaKey) => parseMeta(metaKey, prefixes) ?? []);
}
