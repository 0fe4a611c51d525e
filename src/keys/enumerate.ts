import type { KeyFact } from '../redis/key-fact.js';
import type { Reply } from '../redis/resp.js';
import { ReplyError } from '../redis/resp.js';
import type { Master, Masters } from './masters.js';
import { isUnknown, mayNotRun, refusedBy } from './rights.js';

/** Small enough that other clients do not notice. */
const COUNT = 200;

/** What is asked of each key: no more than is needed. */
export interface Wanted {
  /** A Redis glob, or the one key, as bytes; every key where both are left out. */
  match?: string | undefined;
  key?: string | undefined;
  /** Type and time to live. Without them every key that SCAN names counts as found. */
  facts: boolean;
  /** Memory, with the server's own number of samples. */
  sizes: boolean;
  /** Only keys of this type. */
  type?: string | undefined;
}

/** `bytes` is null where it was not asked for, or where the server would not say. */
export type FoundKey = Pick<KeyFact, 'key' | 'type' | 'ttl_ms'> & { bytes: number | null };

export interface Batch {
  master: Master;
  keys: FoundKey[];
  /** Names of keys that the user's ACL hides. */
  unreadable: string[];
}

export interface Enumerated {
  /** Keys that the servers have gone through; null where they do not say how many they have. */
  looked_at: number | null;
  /** False when it was ended early: by the taker, or by an interruption. */
  complete: boolean;
  /** Gone between being listed and being looked at. */
  vanished: number;
  unreadable: number;
  /** The user may not ask for sizes, or the server cannot tell them. */
  no_sizes: boolean;
}

/** Returns false when it has enough. */
type Take = (batch: Batch) => unknown;

/**
 * Hands the keys of all masters to `take`, batch by batch, all masters at the same time; never more
 * than a batch of each is in memory. Like SCAN itself it names every key that is there all along, and
 * may name one twice. Ends at a batch's boundary when the signal is aborted.
 */
export async function enumerate(
  masters: Masters,
  wanted: Wanted,
  take: Take,
  signal: AbortSignal,
): Promise<Enumerated> {
  const { key } = wanted;
  const state: State = {
    masters,
    // Without facts the one key would count as found without having been looked for.
    wanted: { ...wanted, facts: wanted.facts || key !== undefined },
    take,
    signal,
    stop: false,
    vanished: 0,
    unreadable: 0,
    no_sizes: false,
  };
  if (key !== undefined) {
    await look(state, masters.nodes[0], [key]);
    return summary(state, 1);
  }
  const looked = await Promise.all(masters.nodes.map((node) => scan(state, node)));
  const unknown = looked.includes(null);
  return summary(
    state,
    unknown ? null : looked.reduce<number>((sum, keys) => sum + (keys ?? 0), 0),
  );
}

interface State extends Pick<Enumerated, 'vanished' | 'unreadable' | 'no_sizes'> {
  masters: Masters;
  wanted: Wanted;
  take: Take;
  signal: AbortSignal;
  stop: boolean;
}

function summary({ stop, vanished, unreadable, no_sizes }: State, looked_at: number | null) {
  return { looked_at, complete: !stop, vanished, unreadable, no_sizes };
}

/** Goes through one master; returns how many of its keys were gone through. */
async function scan(state: State, node: Master): Promise<number | null> {
  const { match } = state.wanted;
  const dbsize = await node.channel.send('DBSIZE');
  let cursor = '0';
  let calls = 0;
  let last = new Set<string>();
  do {
    if (state.signal.aborted) state.stop = true;
    if (state.stop) break;
    const reply = await node.channel.send(
      'SCAN',
      cursor,
      ...(match === undefined ? [] : ['MATCH', match]),
      'COUNT',
      COUNT,
    );
    if (reply instanceof ReplyError) throw refusedBy(node, 'SCAN', reply);
    const [next, keys] = reply as [string, string[]];
    cursor = next;
    calls += 1;
    // A table that shrinks meanwhile makes SCAN name keys twice, mostly one step later.
    const fresh = keys.filter((key) => !last.has(key));
    last = new Set(keys);
    if (fresh.length > 0) await look(state, node, fresh);
  } while (cursor !== '0');
  if (typeof dbsize !== 'number') return null;
  return cursor === '0' && calls > 0 ? dbsize : Math.min(calls * COUNT, dbsize);
}

/** Asks for what is wanted of these keys and hands them over. */
async function look(state: State, master: Master, names: readonly string[]): Promise<void> {
  const { masters, wanted } = state;
  const batch: Batch = { master, keys: [], unreadable: [] };
  const questions = questionsOf(state);
  const commands = names.flatMap((key) => questions.map((question) => [...question, key]));
  const replies = commands.length > 0 ? await masters.ask(master, commands) : [];
  for (const [index, key] of names.entries()) {
    const own = replies.slice(index * questions.length, (index + 1) * questions.length);
    const found = read(state, master, key, own);
    if (found === 'unreadable') batch.unreadable.push(key);
    else if (found === undefined) state.vanished += 1;
    else if (wanted.type === undefined || wanted.type === found.type) batch.keys.push(found);
  }
  state.unreadable += batch.unreadable.length;
  if ((await state.take(batch)) === false) state.stop = true;
}

const FACTS = [['TYPE'], ['PTTL']];
const SIZE = [['MEMORY', 'USAGE']];

function questionsOf({ wanted, no_sizes }: State): readonly string[][] {
  return [...(wanted.facts ? FACTS : []), ...(wanted.sizes && !no_sizes ? SIZE : [])];
}

/** A key from the answers; undefined when it is gone. */
function read(
  state: State,
  master: Master,
  key: string,
  replies: Reply[],
): FoundKey | 'unreadable' | undefined {
  const { facts } = state.wanted;
  const [type, pttl] = facts ? replies : [];
  const size = replies[facts ? 2 : 0];
  for (const [index, reply] of [type, pttl].entries()) {
    if (!(reply instanceof ReplyError)) continue;
    if (!mayNotRun(reply) && reply.code === 'NOPERM') return 'unreadable';
    throw refusedBy(master, index === 0 ? 'TYPE' : 'PTTL', reply);
  }
  // Not asked for again once it is known that it will not be answered.
  if (mayNotRun(size) || isUnknown(size)) state.no_sizes = true;
  if (type === 'none' || pttl === -2) return undefined;
  return {
    key,
    type: typeof type === 'string' ? type : '',
    ttl_ms: typeof pttl === 'number' && pttl >= 0 ? pttl : null,
    bytes: typeof size === 'number' ? size : null,
  };
}
