// What the command line and its watchdog say to each other: one JSON object a line.
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** From the command line. `beat` renews the lease; the watchdog alone breaks and restores. */
export type Order =
  | { type: 'beat' }
  | { type: 'inject' }
  | { type: 'restore' }
  | { type: 'disarm' };

/** From the watchdog. `by` says what made it restore. */
export type Notice =
  | { type: 'armed' }
  | { type: 'injected' }
  | { type: 'failed'; reason: string }
  | { type: 'restored'; by: Trigger }
  | { type: 'not_restored'; reason: string }
  | { type: 'disarmed' };

export type Trigger = 'drill' | 'drill restore' | 'lease' | 'deadline' | 'pipe closed' | 'signal';

/** The lease: without a beat for this long the command line is taken for dead or stopped. */
export const LEASE = 2_000;
export const BEAT_EVERY = 400;

/** Reads messages line by line until the stream ends. What is not JSON is passed over. */
export function readMessages<T>(
  stream: Readable,
  onMessage: (message: T) => void,
  onEnd: () => void,
): void {
  const lines = createInterface({ input: stream });
  lines.on('line', (line) => {
    try {
      onMessage(JSON.parse(line) as T);
    } catch {
      // Half a line of a process that was killed while it wrote.
    }
  });
  lines.once('close', onEnd);
  // It repeats an error of its stream, and would throw it.
  lines.on('error', onEnd);
  stream.once('error', onEnd);
}
