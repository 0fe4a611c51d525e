import { type Reply, ReplyError } from '../../redis/resp.js';
import { spanText } from '../../words.js';
import type { KeyCommand, Master, Masters } from '../masters.js';
import { isUnknown, mayNotRun, refusedBy } from '../rights.js';
import type { Chosen } from './chosen.js';
import type { KeyAction, KeyResult } from './store.js';

export interface Outcome {
  result: KeyResult;
  detail: string | null;
}

/** Changes keys of one master; the outcomes are in their order. */
export type Write = (node: Master, keys: readonly Chosen[]) => Promise<Outcome[]>;

/**
 * How this target's keys are changed. Finds out, with a key that is not there, what each master knows
 * and allows: throws `refused` for a missing right, `connect` for a server that does not take writes.
 */
export async function openWrite(masters: Masters, action: KeyAction): Promise<Write> {
  if (action === 'rm') {
    const unlink = await all(masters, (node) => takes(node, 'UNLINK', ['UNLINK', nobody()]));
    // Redis before 4. DEL frees the memory of a large value before it answers.
    if (!unlink) await all(masters, (node) => takes(node, 'DEL', ['DEL', nobody()]));
    return (node, keys) => remove(masters, node, unlink ? 'UNLINK' : 'DEL', keys);
  }
  const nx = await all(masters, (node) => takes(node, 'PEXPIRE', ['PEXPIRE', nobody(), 1, 'NX']));
  if (!nx) await all(masters, (node) => takes(node, 'EVAL', expireByScript(nobody(), 1)));
  return (node, keys) => setTtl(masters, node, nx ? expireNx : expireByScript, keys);
}

const nobody = () => `cache-ops:nobody:${crypto.randomUUID()}`;

async function all(masters: Masters, check: (node: Master) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(masters.nodes.map(check))).every(Boolean);
}

/** Does a master know this command in this form? */
async function takes(node: Master, name: string, command: KeyCommand): Promise<boolean> {
  const reply = await node.channel.send(...command);
  if (!(reply instanceof ReplyError)) return true;
  if (isUnknown(reply) && name === 'UNLINK') return false;
  // NX came with Redis 7.
  if (name === 'PEXPIRE' && /wrong number of arguments/.test(reply.message)) return false;
  // The key of the question belongs to another master, or is none that this user may touch.
  if (!mayNotRun(reply) && /^(MOVED|ASK|NOPERM)/.test(reply.message)) return true;
  throw refusedBy(node, name, reply);
}

async function remove(
  masters: Masters,
  node: Master,
  command: string,
  keys: readonly Chosen[],
): Promise<Outcome[]> {
  // One command a key and not one for all: each has its own answer, and its own slot on a cluster.
  const replies = await masters.ask(
    node,
    keys.map(({ key }) => [command, key]),
  );
  return replies.map((reply) => {
    if (reply === 1) return { result: 'done', detail: null };
    return failure(node, command, reply) ?? { result: 'gone', detail: 'it was not there any more' };
  });
}

const expireNx = (key: string, ttl: number): KeyCommand => ['PEXPIRE', key, ttl, 'NX'];

/** Looks and sets in one step: a TTL that somebody has just set is not changed. */
const EXPIRE_IF_NONE = `
if redis.call('PTTL', KEYS[1]) ~= -1 then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])`;

export const expireByScript = (key: string, ttl: number): KeyCommand => [
  'EVAL',
  EXPIRE_IF_NONE,
  1,
  key,
  ttl,
];

/** Sets the TTL of keys that have none. `command` must leave one that is there as it is. */
export async function setTtl(
  masters: Masters,
  node: Master,
  command: (key: string, ttl: number) => KeyCommand,
  keys: readonly Chosen[],
): Promise<Outcome[]> {
  const replies = await masters.ask(
    node,
    keys.flatMap(({ key, ttl_ms }) => [command(key, ttl_ms), ['PTTL', key]]),
  );
  return keys.map((_, index) => {
    const reply = replies[index * 2] as Reply;
    const now = replies[index * 2 + 1];
    if (reply === 1) return { result: 'done', detail: null };
    const failed = failure(node, 'PEXPIRE', reply);
    if (failed) return failed;
    if (now === -2) return { result: 'gone', detail: 'it was not there any more' };
    const span = typeof now === 'number' && now >= 0 ? `: ${spanText(now)}` : '';
    return { result: 'raced', detail: `somebody has set a TTL meanwhile${span}` };
  });
}

/** A key that this user may not touch is one that is not done; anything else ends the work. */
function failure(node: Master, command: string, reply: Reply): Outcome | undefined {
  if (!(reply instanceof ReplyError)) return undefined;
  if (reply.code !== 'NOPERM' || mayNotRun(reply)) throw refusedBy(node, command, reply);
  return { result: 'refused', detail: 'the ACL of this user hides it' };
}
