import { codeOf } from '../errors.js';
import type { Evidence } from './advice/advice.js';
import { ClosedError, type Limits, openChannel, StageError, TimeoutError } from './channel.js';
import { ProtocolError, ReplyError } from './resp.js';
import type { Access } from './target.js';

/** A second look must not double the wait for a dead target. */
const SECOND_LOOK = 500;

/**
 * A TLS greeting to a plain port is met with silence, and plain words to a TLS port with a hang-up;
 * a hung server and a full one look the same. A short second connection, spoken to in the other
 * way, tells them apart. It sends PING at most.
 */
export async function evidenceFor(
  error: unknown,
  { endpoint, tls }: Access,
  { timeout, signal }: Limits,
): Promise<Evidence> {
  if (!(error instanceof StageError) || 'path' in endpoint) return undefined;
  const { stage, cause } = error;
  const limits = { timeout: Math.min(timeout, SECOND_LOOK), ...(signal && { signal }) };
  const silent = cause instanceof TimeoutError;
  const hungUp =
    cause instanceof ClosedError || ['ECONNRESET', 'EPIPE'].includes(codeOf(cause) ?? '');
  if (tls && stage === 'tls' && (silent || hungUp)) {
    const plain = await outcome({ endpoint }, limits);
    return plain === undefined || plain.cause instanceof ReplyError ? 'plain' : undefined;
  }
  if (
    !tls &&
    (stage === 'auth' || stage === 'ping') &&
    (silent || hungUp || cause instanceof ProtocolError)
  ) {
    const secure = await outcome({ endpoint, tls: { rejectUnauthorized: false } }, limits);
    if (secure === undefined) return 'tls';
    // An HTTPS server greets too, and then answers PING like any other that is not Redis.
    const greeted = secure.timings.tls !== undefined && !(secure.cause instanceof ProtocolError);
    return greeted ? 'tls' : undefined;
  }
  return undefined;
}

/** How opening fails; undefined when it does not. */
async function outcome(access: Access, limits: Limits): Promise<StageError | undefined> {
  try {
    (await openChannel(access, limits)).close();
    return undefined;
  } catch (error) {
    if (error instanceof StageError) return error;
    throw error;
  }
}
