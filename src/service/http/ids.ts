import { MAX_KEY_LENGTH } from '../cache/types.js';
import { HttpError } from './types.js';

/** A user's or a task's id: it becomes one segment of a key, so no separator, glob or path trick. */
export function checkId(name: string, id: string): string {
  if (/^[A-Za-z0-9_.@-]{1,128}$/.test(id) && !id.includes('..')) return id;
  throw new HttpError(400, `${name}: expected 1 to 128 letters, digits, or _ . @ - (no "..")`);
}

/** A cache key: colons are ordinary, what reads as a pattern, a path or a control character is not. */
export function checkKey(key: string): string {
  checkText('key', key);
  if (!key.includes('*') && !key.includes('..')) return key;
  throw new HttpError(400, 'key: "*" and ".." are not allowed');
}

/** 1 to 500 characters without control characters. */
export function checkText(name: string, text: string): string {
  if (text.length === 0) throw new HttpError(400, `${name}: must not be empty`);
  if (text.length > MAX_KEY_LENGTH) {
    throw new HttpError(400, `${name}: longer than ${MAX_KEY_LENGTH} characters`);
  }
  if (/\p{Cc}/u.test(text)) throw new HttpError(400, `${name}: control characters are not allowed`);
  return text;
}
