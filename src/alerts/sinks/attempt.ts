import type { SinkConfig } from '../../config/sinks.js';
import { messageOf } from '../../errors.js';
import type { Clock } from '../clock.js';
import { type Attempt, DeliveryFailure, type Sink } from './sink.js';

/** A sink with what every attempt needs: its time-out, and what takes its secrets out of a text. */
export interface Outgoing {
  config: SinkConfig;
  sink: Sink;
  redact: (text: string) => string;
}

export interface Outcome {
  ok: boolean;
  /** It will never take this message. */
  refused: boolean;
  /** What the other side said, or why it failed: one line without secrets. */
  answer: string;
  /** Milliseconds that the other side asked to wait. */
  retryAfter: number | undefined;
}

/** Makes one attempt, which ends within the sink's time-out, and never throws. */
export async function attempt(
  { config, sink, redact }: Outgoing,
  work: (sink: Sink, attempt: Attempt) => Promise<string> | undefined,
  clock: Clock,
  ended?: AbortSignal,
): Promise<Outcome> {
  const limit = AbortSignal.timeout(config.timeout);
  const signal = ended ? AbortSignal.any([limit, ended]) : limit;
  try {
    const answer = (await work(sink, { signal, now: clock.now() })) ?? 'nothing to do';
    return { ok: true, refused: false, answer: redact(answer), retryAfter: undefined };
  } catch (error) {
    const failure = error instanceof DeliveryFailure ? error : undefined;
    const reason = limit.aborted ? `no answer within ${config.timeout} ms` : messageOf(error);
    return {
      ok: false,
      refused: failure?.kind === 'refused',
      answer: redact(reason),
      retryAfter: failure?.retryAfter,
    };
  }
}
