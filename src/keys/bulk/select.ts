import type { Master, Masters } from '../masters.js';
import { fromBytes } from '../names.js';
import { findQueueKeys } from '../queue-keys.js';
import type { Rules } from '../rules.js';
import { type Walked, walkKeys } from '../walk.js';

/** A key that a change is about. */
interface Selected {
  key: string;
  /** Null where sizes were not asked for, or are not told. */
  bytes: number | null;
  /** The time to live that it is to get; 0 where it is to be removed. */
  ttl_ms: number;
  /** The pattern of its rule; null where none is asked. */
  rule: string | null;
}

export interface Selection extends Walked {
  /** Of the selected keys, those of a BullMQ queue, by queue. */
  queues: Map<string, number>;
}

/** Hands over the keys that a change is about, batch by batch. Reads only. */
export type Select = (
  masters: Masters,
  options: { sizes: boolean; signal: AbortSignal },
  take: (master: Master, keys: readonly Selected[]) => void,
) => Promise<Selection>;

/** Queues that are told apart; a change that touches more of them says "others". */
const QUEUES = 100;

/** The keys of a pattern. `prefixes`: what the configuration says of BullMQ queues here, as bytes. */
export function matching(
  wanted: { match?: string; key?: string },
  prefixes: readonly string[],
): Select {
  return async (masters, { sizes, signal }, take) => {
    const known = await findQueueKeys(masters, prefixes, signal);
    const queues = new Map<string, number>();
    const found = await walkKeys(
      masters,
      { ...wanted, facts: false, sizes },
      ({ master, keys }) => {
        for (const { key } of keys) {
          const queue = known.queueOf(key);
          if (queue === undefined) continue;
          const { text } = fromBytes(queue);
          const name = queues.has(text) || queues.size < QUEUES ? text : 'others';
          queues.set(name, (queues.get(name) ?? 0) + 1);
        }
        take(
          master,
          keys.map(({ key, bytes }) => ({ key, bytes, ttl_ms: 0, rule: null })),
        );
      },
      signal,
    );
    return { ...found, queues };
  };
}

/** The keys that are as their rule wants them but for the TTL, which they lack. Never a queue's. */
export function withoutTtl(rules: Rules, prefixes: readonly string[]): Select {
  return async (masters, { sizes, signal }, take) => {
    const known = await findQueueKeys(masters, prefixes, signal);
    const found = await walkKeys(
      masters,
      { facts: true, sizes },
      ({ master, keys }) => {
        const selected = keys.flatMap(({ key, ttl_ms, bytes }): Selected[] => {
          if (ttl_ms !== null || known.queueOf(key) !== undefined) return [];
          const match = rules.match(key);
          const { ttl, ttl_required } = match?.rule ?? {};
          if (!match || match.faults.length > 0 || !ttl || !ttl_required) return [];
          return [{ key, bytes, ttl_ms: ttl, rule: match.rule.match }];
        });
        take(master, selected);
      },
      signal,
    );
    return { ...found, queues: new Map() };
  };
}
