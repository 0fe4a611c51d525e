import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { HttpError } from './types.js';

/**
 * Refuses with 401 what does not carry the token as `Authorization: Bearer ...`. Compared by hashes, in a
 * time that says nothing about how much was right.
 */
export function demandToken(headers: IncomingHttpHeaders, token: string): void {
  const [, given = ''] = /^Bearer (\S+)$/.exec(headers.authorization ?? '') ?? [];
  const hash = (text: string) => createHash('sha256').update(text).digest();
  if (given !== '' && timingSafeEqual(hash(given), hash(token))) return;
  const what = given === '' ? 'missing' : 'wrong';
  throw new HttpError(401, `the token is ${what}`, { 'www-authenticate': 'Bearer' });
}
