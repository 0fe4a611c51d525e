import { type Application, deleteKey } from '../applications/client.js';
import { httpClient } from './http.js';
import type { Subject } from './load.js';

/** Clients at once for the removal. */
const REMOVERS = 10;

/**
 * Through an application's cache routes. `prefix` begins every key (no colons: some servers refuse them in
 * a path); `value` has no quotes or backslashes.
 */
export function applicationSubject(
  application: Application,
  prefix: string,
  value: string,
  timeout: number,
): Subject {
  const keyOf = (number: number) => `${prefix}${number}`;
  return {
    open: async () => httpClient(application, keyOf, value, timeout),
    async remove(count) {
      let next = 0;
      let left = 0;
      let reason: string | null = null;
      const drive = async () => {
        while (next < count) {
          const number = next;
          next += 1;
          const answer = await deleteKey(application, keyOf(number), { timeout });
          // 404: it was not written, or has expired.
          if (answer?.ok || answer?.status === 404) continue;
          left += 1;
          reason ??= answer ? (answer.error ?? null) : 'probe.delete is not set';
          // Without a route, or without an application, the others would fare no better.
          if (!answer || answer.status === undefined) {
            left += count - next;
            next = count;
          }
        }
      };
      await Promise.all(Array.from({ length: REMOVERS }, drive));
      return { keys: left, reason };
    },
  };
}
