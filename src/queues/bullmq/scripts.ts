import { createHash } from 'node:crypto';
import { CacheOpsError } from '../../errors.js';
import type { Channel } from '../../redis/channel.js';
import { type Reply, ReplyError } from '../../redis/resp.js';

/** A text that Redis runs in one step, and its name there. */
export interface Script {
  text: string;
  sha: string;
}

export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** Runs it by name; sends the text where the server does not know it (yet, or any more). */
export async function evaluate(
  channel: Channel,
  { text, sha }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<Exclude<Reply, ReplyError>> {
  const rest = [keys.length, ...keys, ...args];
  let reply = await channel.send('EVALSHA', sha, ...rest);
  if (reply instanceof ReplyError && reply.code === 'NOSCRIPT') {
    reply = await channel.send('EVAL', text, ...rest);
  }
  if (reply instanceof ReplyError) throw refusalOf(reply);
  return reply;
}

/** Within a script the code of an error may stand behind words of Redis's own, or be missing. */
const HINTS: [RegExp, string][] = [
  [
    /\bNOPERM\b|user executing the script can't/i,
    'the user needs eval, evalsha and the commands of BullMQ on these keys',
  ],
  [/\bREADONLY\b/, 'this is a replica: the master has moved, try again'],
  [/\bMOVED\b/, 'the cluster has moved the slot: try again'],
  [/\bOOM\b/, 'Redis is out of memory: nothing was changed by this step'],
  [/\bLOADING\b/, 'Redis is loading its data: try again'],
  [/\bBUSY\b/, 'another script is running: try again'],
];

/** What stands against every job alike is the operator's to solve; anything else is a fault. */
function refusalOf(error: ReplyError): Error {
  const [, hint] = HINTS.find(([pattern]) => pattern.test(error.message)) ?? [];
  return hint ? new CacheOpsError('refused', error.message, hint) : error;
}
