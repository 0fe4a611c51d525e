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

/** Runs it in one step on the server, and throws what stands against it. */
export async function evaluate(
  channel: Channel,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<Exclude<Reply, ReplyError>> {
  const reply = await run(channel, script, '', [keys.length, ...keys, ...args]);
  if (reply instanceof ReplyError) throw refusalOf(reply);
  return reply;
}

/** Runs a script that is going to change nothing, and throws what stands against it. */
export async function evaluateReading(
  channel: Channel,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<Exclude<Reply, ReplyError>> {
  const { reply } = await runReading(channel, script, keys, args);
  if (isForbidden(reply)) {
    throw new CacheOpsError(
      'refused',
      'this Redis user may not run scripts: what would become of the jobs cannot be told',
      'ACL SETUSER ... +eval_ro +evalsha_ro lets it look (before Redis 7: +eval +evalsha); which jobs are meant: cache-ops queue jobs',
    );
  }
  if (reply instanceof ReplyError) throw refusalOf(reply);
  return reply;
}

/** How a server lets its user run scripts that only read. */
export const WAYS = ['eval_ro', 'eval', 'none'] as const;
export type Way = (typeof WAYS)[number];

/**
 * Runs a script that is going to change nothing, so that the server holds it to that and a user who
 * may only read needs no more than eval_ro and evalsha_ro; Redis before 7 has neither of them. Returns
 * the way that was found, to be tried first the next time.
 */
export async function runReading(
  channel: Channel,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
  known: Exclude<Way, 'none'> = 'eval_ro',
): Promise<{ reply: Reply; way: Way }> {
  const rest = [keys.length, ...keys, ...args];
  const isBarred = (reply: Reply) => isAbsent(reply) || isForbidden(reply);
  if (known === 'eval_ro') {
    const reply = await run(channel, script, '_RO', rest);
    if (!isBarred(reply)) return { reply, way: 'eval_ro' };
  }
  const reply = await run(channel, script, '', rest);
  return { reply, way: isBarred(reply) ? 'none' : 'eval' };
}

/** By its name; sends the text where the server does not know it (yet, or any more). */
async function run(
  channel: Channel,
  { text, sha }: Script,
  mode: '' | '_RO',
  rest: readonly (string | number)[],
): Promise<Reply> {
  const reply = await channel.send(`EVALSHA${mode}`, sha, ...rest);
  if (!(reply instanceof ReplyError) || reply.code !== 'NOSCRIPT') return reply;
  return channel.send(`EVAL${mode}`, text, ...rest);
}

const isAbsent = (reply: Reply) =>
  reply instanceof ReplyError && /unknown command/i.test(reply.message);

const isForbidden = (reply: Reply) => reply instanceof ReplyError && reply.code === 'NOPERM';

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
