import { codeOf, messageOf } from '../../errors.js';
import { ClosedError, StageError, TimeoutError } from '../channel.js';
import { ProtocolError, ReplyError } from '../resp.js';
import { type Access, label } from '../target.js';
import { UnknownMasterError } from '../topology.js';
import { type Advice, ALLOWLIST, type Evidence, INSTANCE, NETWORK, unreachable } from './advice.js';
import { fromReply } from './reply.js';
import { noMaster } from './state.js';
import { fromTls } from './tls.js';
import { fromHangup, fromSystem, fromTimeout, plainToTls } from './transport.js';

/** Explains why a connection could not be opened, or broke. `error` is a StageError or anything thrown. */
export function explain(error: unknown, access: Access, evidence?: Evidence): Advice {
  const stage = error instanceof StageError ? error.stage : 'ping';
  const cause = error instanceof StageError ? error.cause : error;
  const where = label(access.endpoint);
  if (evidence === 'tls' && !access.tls) return plainToTls(where);
  if (cause instanceof ReplyError) return fromReply(cause, access);
  if (cause instanceof UnknownMasterError) return noMaster(cause.message);
  if (cause instanceof ProtocolError) {
    return unreachable('not_redis', `what listens on ${where} is not Redis (${cause.message})`, [
      'Is the port right? Something else answers there (an HTTP server, another database)',
      INSTANCE,
    ]);
  }
  const code = codeOf(cause) ?? '';
  return (
    fromTls(code, cause, access, evidence) ??
    fromSystem(code, access) ??
    (cause instanceof TimeoutError ? fromTimeout(stage, cause.ms, where) : undefined) ??
    (cause instanceof ClosedError || code === 'ECONNRESET' || code === 'EPIPE'
      ? fromHangup(stage, access)
      : undefined) ??
    unreachable('failed', `${stage} failed: ${messageOf(cause)}`, [INSTANCE, ALLOWLIST, NETWORK])
  );
}
