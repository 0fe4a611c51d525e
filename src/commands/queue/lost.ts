import { CacheOpsError, codeOf, messageOf } from '../../errors.js';
import { explainPostgres } from '../../postgres/explain.js';
import { ClosedError, StageError, TimeoutError } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';

/** SQLSTATE of a Postgres that goes, is full or does not answer, and Node's own codes. */
const LOST = /^(57P0[1-5]|57014|53300|08\w{3}|E[A-Z]+)$/;

/** A lost connection or a missing right as one line for the operator; anything else stays as it is. */
export function explained(error: unknown, timeout: number): unknown {
  // An error reply of Redis has a code too (ERR).
  if (error instanceof CacheOpsError || error instanceof ReplyError) return error;
  const code = codeOf(error) ?? '';
  if (code === '42501')
    return new CacheOpsError('refused', `Postgres: ${explainPostgres(error, timeout)}`);
  const ofRedis = [ClosedError, StageError, TimeoutError].some((kind) => error instanceof kind);
  if (ofRedis) return new CacheOpsError('connect', `Redis: ${messageOf(error)}`);
  // pg says these without a code.
  if (LOST.test(code) || /^(Connection terminated|Query read timeout)/.test(messageOf(error))) {
    return new CacheOpsError('connect', `Postgres: ${explainPostgres(error, timeout)}`);
  }
  return error;
}

/** The same error in the middle of an operation, with the command that goes on with it as its hint. */
export function resumable(error: unknown, resume: string, timeout: number): unknown {
  const told = explained(error, timeout);
  if (!(told instanceof CacheOpsError)) return told;
  // Another state folder, which is the hint for a full disk, would not know of the operation.
  const before = told.hint && told.code !== 'state' ? `${told.hint}; then ` : '';
  return new CacheOpsError(told.code, told.message, `${before}go on with: ${resume}`);
}
