import { checkId } from './ids.js';
import { type Call, HttpError } from './types.js';

/** Whoever sets this header in front of the service has signed the user in. */
export function userOf(call: Call): string {
  const user = call.headers['x-user-id'];
  if (user === undefined || user === '') throw new HttpError(401, 'X-User-Id is missing');
  return checkId('X-User-Id', String(user));
}

export const idOf = (call: Call, name: string) => checkId(name, call.params[name] ?? '');

/** The result of a store that has no fallback; 503 while it is away. */
export async function fromStore<T>(work: Promise<T>, onError: (error: unknown) => void) {
  try {
    return await work;
  } catch (error) {
    if (error instanceof HttpError || error instanceof RangeError) throw error;
    onError(error);
    throw new HttpError(503, 'its store cannot be reached: try again');
  }
}
