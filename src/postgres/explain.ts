import { codeOf, messageOf } from '../errors.js';

// https://www.postgresql.org/docs/current/errcodes-appendix.html, and Node's own system errors.
const REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused: is Postgres up on that host and port?',
  ENOTFOUND: 'no such host: is the name right, and known in this network?',
  EAI_AGAIN: 'the name server does not answer',
  ECONNRESET: 'the connection was closed: TLS against a plain port, a proxy, or a restart?',
  ETIMEDOUT: 'no answer: is this address allowed, and the network path fine?',
  '28P01': 'the password is wrong for that user',
  '3D000': 'that database does not exist',
  '42501': 'the user lacks the right',
  '53300': 'too many connections: the limit is reached',
  '57P03': 'it is starting up or shutting down',
  '57P01': 'it was shut down',
  '57014': 'a statement took longer than the time limit',
};

/** Why a Postgres cannot be asked, in one line, without its URL. */
export function explainPostgres(error: unknown, timeout: number): string {
  const code = codeOf(error) ?? '';
  const known = REASONS[code];
  if (known) return known;
  const message = messageOf(error);
  return /timeout/i.test(message) ? `no answer within ${timeout} ms` : message;
}
