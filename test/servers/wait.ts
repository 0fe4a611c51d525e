import { setTimeout as sleep } from 'node:timers/promises';

/** Awaits a condition; rejects after `timeout` ms and says what was awaited. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  {
    timeout = 10_000,
    every = 10,
    what = condition.toString(),
  }: { timeout?: number; every?: number; what?: string } = {},
): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`);
    await sleep(every);
  }
}
