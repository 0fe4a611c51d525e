import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../context.js';

/** Does `work` every `interval` ms, `count` times or until the command is interrupted. */
export async function repeat(
  { signal }: Pick<Context, 'signal'>,
  interval: number,
  count: number | undefined,
  work: () => Promise<void>,
): Promise<void> {
  for (let done = 1; ; done += 1) {
    const start = performance.now();
    await work();
    if (done === count) return;
    await sleep(Math.max(0, interval - (performance.now() - start)), undefined, { signal });
  }
}
