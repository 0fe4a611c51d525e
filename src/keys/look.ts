import type { KeyFact } from '../redis/key-fact.js';
import { type Reply, ReplyError } from '../redis/resp.js';
import type { Master, Masters } from './masters.js';
import { isUnknown, mayNotRun, refusedBy } from './rights.js';

/** What is asked of each key: no more than is needed. */
export interface Asked {
  /** Type and time to live. Without them every key that is named counts as found. */
  facts: boolean;
  /** Memory. */
  sizes: boolean;
  /** Only keys of this type. */
  type?: string | undefined;
}

/** `bytes` is null where it was not asked for, or where the server would not say. */
export type FoundKey = Pick<KeyFact, 'key' | 'type' | 'ttl_ms'> & { bytes: number | null };

export interface Looked {
  keys: FoundKey[];
  /** Names of keys that the user's ACL hides. */
  unreadable: string[];
  /** Of the names, those that are no key. */
  vanished: number;
  /** The user may not ask for sizes, or the server cannot tell them. */
  no_sizes: boolean;
}

/**
 * Looks at keys by their names, all of them in one write, and follows those that are on another node of the
 * cluster by now. Throws `refused` where the user may not ask for type or TTL.
 */
export async function look(
  masters: Masters,
  master: Master,
  names: readonly string[],
  asked: Asked,
): Promise<Looked> {
  const looked: Looked = { keys: [], unreadable: [], vanished: 0, no_sizes: false };
  const questions = [...(asked.facts ? FACTS : []), ...(asked.sizes ? SIZE : [])];
  const commands = names.flatMap((key) => questions.map((question) => [...question, key]));
  const replies = await masters.ask(master, commands);
  for (const [index, key] of names.entries()) {
    const own = replies.slice(index * questions.length, (index + 1) * questions.length);
    const found = read(master, key, own, asked);
    looked.no_sizes ||= asked.sizes && hasNoSize(own.at(-1));
    if (found === 'unreadable') looked.unreadable.push(key);
    else if (found === undefined) looked.vanished += 1;
    else if (asked.type === undefined || asked.type === found.type) looked.keys.push(found);
  }
  return looked;
}

const FACTS = [['TYPE'], ['PTTL']];
const SIZE = [['MEMORY', 'USAGE']];

const hasNoSize = (reply: Reply | undefined) => mayNotRun(reply) || isUnknown(reply);

/** A key from the answers; undefined when it is gone. */
function read(
  master: Master,
  key: string,
  replies: Reply[],
  { facts }: Asked,
): FoundKey | 'unreadable' | undefined {
  const [type, pttl] = facts ? replies : [];
  const size = replies[facts ? 2 : 0];
  for (const [index, reply] of [type, pttl].entries()) {
    if (!(reply instanceof ReplyError)) continue;
    if (!mayNotRun(reply) && reply.code === 'NOPERM') return 'unreadable';
    throw refusedBy(master, index === 0 ? 'TYPE' : 'PTTL', reply);
  }
  if (type === 'none' || pttl === -2) return undefined;
  return {
    key,
    type: typeof type === 'string' ? type : '',
    ttl_ms: typeof pttl === 'number' && pttl >= 0 ? pttl : null,
    bytes: typeof size === 'number' ? size : null,
  };
}
