import type { Channel } from '../channel.js';
import type { Reply } from '../resp.js';
import { select } from './databases.js';

/** What is worth knowing of the few keys that a report shows. */
export interface KeyDetail {
  encoding: string | null;
  /** Of a collection; null for strings and modules. */
  elements: number | null;
  idle_s: number | null;
  /** The logarithmic counter of the lfu policies. */
  frequency: number | null;
}

const ELEMENTS: Record<string, string> = {
  list: 'LLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  hash: 'HLEN',
  stream: 'XLEN',
};

/** Keys that are asked about in one write. */
const AT_ONCE = 100;

/**
 * Encoding, elements, and idle time or frequency (whichever the eviction policy keeps) of keys, in their
 * order. What the user may not ask, and all of a key that is gone, is null. The channel must `speakBytes`.
 * OBJECT leaves the idle time as it is; LLEN, HLEN... would reset it, so from Redis 7.2 on the client asks
 * not to, and before that these keys look used.
 */
export async function describeKeys(
  channel: Channel,
  keys: readonly { db: number; key: string; type: string }[],
): Promise<KeyDetail[]> {
  await channel.send('CLIENT', 'NO-TOUCH', 'ON');
  const details: KeyDetail[] = new Array(keys.length);
  const numbered = keys.map((key, index) => ({ ...key, index }));
  for (const db of new Set(keys.map((key) => key.db))) {
    await select(channel, db);
    const all = numbered.filter((key) => key.db === db);
    for (let from = 0; from < all.length; from += AT_ONCE) {
      const some = all.slice(from, from + AT_ONCE);
      const replies = await channel.pipeline(some.flatMap(questions));
      some.forEach(({ index, type }, place) => {
        details[index] = read(type, replies.slice(place * QUESTIONS, (place + 1) * QUESTIONS));
      });
    }
  }
  return details;
}

const QUESTIONS = 4;

function questions({ key, type }: { key: string; type: string }): string[][] {
  return [
    ['OBJECT', 'ENCODING', key],
    // Before the length: it may reset what is asked here.
    ['OBJECT', 'IDLETIME', key],
    ['OBJECT', 'FREQ', key],
    [ELEMENTS[type] ?? 'STRLEN', key],
  ];
}

function read(type: string, [encoding, idle, frequency, length]: Reply[]): KeyDetail {
  const number = (reply: Reply | undefined) => (typeof reply === 'number' ? reply : null);
  return {
    encoding: typeof encoding === 'string' ? encoding : null,
    idle_s: number(idle),
    frequency: number(frequency),
    elements: ELEMENTS[type] ? number(length) : null,
  };
}
