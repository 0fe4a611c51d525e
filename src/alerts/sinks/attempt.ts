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

/** Makes one attempt, which ends with the sink's time-out or when the program does, and never throws. */
export async function attempt(
  { config, sink, redact }: Outgoing,
  work: (sink: Sink, attempt: Attempt) => Promise<string> | undefined,
  clock: Clock,
  ended: AbortSignal,
): Promise<Outcome> {
  const late = `no answer within ${config.timeout} ms`;
  // Not AbortSignal.any: in Node 20 the signal that lives on keeps something of each that is made of it.
  const over = new AbortController();
  const end = () => over.abort(new Error('interrupted'));
  const timer = setTimeout(() => over.abort(new Error(late)), config.timeout);
  ended.addEventListener('abort', end, { once: true });
  if (ended.aborted) end();
  const { signal } = over;
  try {
    const answer = await orAborted(work(sink, { signal, now: clock.now() }), signal);
    return { ok: true, refused: false, answer: redact(answer ?? ''), retryAfter: undefined };
  } catch (error) {
    const failure = error instanceof DeliveryFailure ? error : undefined;
    return {
      ok: false,
      refused: failure?.kind === 'refused',
      answer: redact(messageOf(signal.aborted ? signal.reason : error)),
      retryAfter: failure?.retryAfter,
    };
  } finally {
    clearTimeout(timer);
    ended.removeEventListener('abort', end);
  }
}

/** A write to a disk that hangs knows no signal. */
function orAborted<T>(work: Promise<T> | undefined, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = () => reject(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    Promise.resolve(work).then(resolve, reject);
  });
}
