import type { Clock } from '../../src/alerts/clock.js';

/** A clock that stands still until it is put forward. */
export function stoppedClock(start = Date.parse('2026-03-01T12:00:00Z')) {
  let now = start;
  const sleepers = new Set<() => void>();
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const due = now + ms;
        const look = () => {
          if (now < due) return;
          sleepers.delete(look);
          resolve();
        };
        signal?.addEventListener('abort', () => {
          sleepers.delete(look);
          reject(signal.reason);
        });
        sleepers.add(look);
        look();
      }),
    forward(ms: number) {
      now += ms;
      for (const look of [...sleepers]) look();
    },
  } satisfies Clock & { forward(ms: number): void };
}
