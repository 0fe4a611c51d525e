import { rmSync } from 'node:fs';
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

/**
 * Removes a folder that a process which nobody waits for may still be writing to, such as a watchdog closing its
 * drill. rmSync with maxRetries is not enough: it tries rmdir again, but does not look for new files.
 */
export function removeFolder(path: string): Promise<void> {
  return until(
    () => {
      try {
        rmSync(path, { recursive: true, force: true });
        return true;
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY') return false;
        throw error;
      }
    },
    { what: `${path} can be removed` },
  );
}
