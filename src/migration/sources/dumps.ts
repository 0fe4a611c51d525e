import { CacheOpsError } from '../../errors.js';
import type { Masters } from '../../keys/masters.js';
import { mayNotRun } from '../../keys/rights.js';
import type { Batch } from '../../keys/walk.js';
import { type Reply, ReplyError } from '../../redis/resp.js';
import type { Read } from '../entry.js';
import { notRead, PORTION, type RedisOptions } from './redis.js';

/** Keys as DUMP gives them, some megabytes at a time. Throws `refused` where the user may not run it. */
export async function readDumps(
  masters: Masters,
  { master, keys, unreadable }: Batch,
  { prefix, largest, target }: RedisOptions,
  first: number,
  put: (reads: Read[]) => Promise<void>,
): Promise<void> {
  const reads: Read[] = unreadable.map((_, index) =>
    notRead(first + keys.length + index, 'hidden by the ACL of this user'),
  );
  let portion: number[] = [];
  let bytes = 0;
  const take = async () => {
    const dumps = await masters.ask(
      master,
      portion.flatMap((index) => ask(keys[index]?.key ?? '')),
    );
    for (const [at, index] of portion.entries()) {
      const [dump, ttl] = [dumps[2 * at] as Reply, dumps[2 * at + 1] as Reply];
      const { key, bytes: memory } = keys[index] as Batch['keys'][number];
      const place = first + index;
      // It has gone since it was named.
      if (dump === null || ttl === -2) continue;
      if (mayNotRun(dump))
        throw new CacheOpsError(
          'refused',
          `the user of ${target.name} may not run DUMP`,
          'grant +dump; --kind tasks and --kind sessions read by GET',
        );
      if (typeof dump !== 'string' || typeof ttl !== 'number') {
        const said = [dump, ttl].find((reply) => reply instanceof ReplyError);
        reads.push(notRead(place, said instanceof ReplyError ? said.message : 'no answer'));
        continue;
      }
      const name = key.slice(prefix.length);
      const text = Buffer.from(dump, 'latin1');
      reads.push({ place, text, name, memory, ...(ttl >= 0 && { ttl_ms: ttl }) });
    }
    await put(reads.splice(0));
    portion = [];
    bytes = 0;
  };
  for (const [index, { bytes: memory }] of keys.entries()) {
    if ((memory ?? 0) > MOST_PACKED * largest) {
      const reason = `${memory} bytes of memory; a dump of ${largest} is the most`;
      reads.push({ place: first + index, problem: 'too_large', reason });
      continue;
    }
    portion.push(index);
    bytes += memory ?? 0;
    if (bytes >= PORTION) await take();
  }
  if (portion.length > 0 || reads.length > 0) await take();
}

/** Small elements take many times more in memory than in a dump. */
const MOST_PACKED = 16;

/** The time to live at the same moment as the value. */
const ask = (key: string) => [
  ['DUMP', key],
  ['PTTL', key],
];
