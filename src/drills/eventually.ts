import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** The first answer of `look` that is not undefined; undefined when there is none within `limit` ms. */
export async function eventually<T>(
  look: () => Promise<T | undefined>,
  { limit, every, signal }: { limit: number; every: number; signal?: AbortSignal | undefined },
): Promise<T | undefined> {
  const deadline = performance.now() + limit;
  for (;;) {
    const found = await look();
    if (found !== undefined || performance.now() > deadline) return found;
    await sleep(every, undefined, { signal });
  }
}
