import { CacheOpsError } from '../errors.js';
import { ReplyError } from '../redis/resp.js';
import type { Master } from './masters.js';

/**
 * Is it the command that this user may not run, whatever the key? NOPERM is also said of a key that
 * the ACL hides: "... permissions to access one of the keys".
 */
export function mayNotRun(reply: unknown): boolean {
  return reply instanceof ReplyError && /^NOPERM .*permissions to run the /.test(reply.message);
}

/** Before Redis 4 there was no UNLINK and no MEMORY, and a provider may have renamed a command. */
export function isUnknown(reply: unknown): boolean {
  return reply instanceof ReplyError && /^ERR unknown (sub)?command/i.test(reply.message);
}

/** The server would not do what the command cannot do without. */
export function refusedBy(
  { address }: Pick<Master, 'address'>,
  command: string,
  reply: ReplyError,
): CacheOpsError {
  if (mayNotRun(reply)) {
    return new CacheOpsError(
      'refused',
      `${address}: this user may not run ${command}`,
      'of rights it needs +scan +type +pttl, for sizes +memory|usage, to remove +unlink, to set a TTL +pexpire',
    );
  }
  return new CacheOpsError('connect', `${address}: ${command}: ${reply.message}`);
}
