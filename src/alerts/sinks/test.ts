import type { SinkConfig } from '../../config/sinks.js';
import type { Clock } from '../clock.js';
import type { Notification } from '../notification.js';
import { attempt } from './attempt.js';
import { makeOutgoing, type Surroundings } from './make.js';

export interface TestOptions extends Surroundings {
  clock: Clock;
  signal: AbortSignal;
}

/** Delivers one message at once, past the queue, in one attempt; says what the other side answered. Never throws. */
export async function testSink(
  config: SinkConfig,
  notification: Notification,
  { clock, signal, ...surroundings }: TestOptions,
): Promise<{ ok: boolean; answer: string; took_ms: number }> {
  const start = performance.now();
  const { ok, answer } = await attempt(
    makeOutgoing(config, surroundings),
    (sink, limits) =>
      sink.test?.() ?? sink.send?.({ notifications: [notification], lost: 0 }, limits),
    clock,
    signal,
  );
  return { ok, answer, took_ms: Math.round(performance.now() - start) };
}
