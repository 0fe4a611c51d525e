import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  /** Pauses before the second, third and fourth attempt, in milliseconds (default 2, 4 and 8 s). */
  delaysMs?: readonly number[];
  /** Longest wait for one attempt, in milliseconds (default 30 s). */
  timeoutMs?: number;
  /** Whether another attempt may help (default `isWorthRetrying`). */
  worthIt?: (error: unknown) => boolean;
  /** Ends attempts and pauses at once. */
  signal?: AbortSignal;
  onRetry?: (error: unknown, attempt: number, pauseMs: number) => void;
}

/**
 * Calls what may fail in passing, such as an AI model: at most four times. The call gets a signal that is
 * aborted when its time is over; one that takes no notice is waited for no longer all the same. Rejects
 * with the last error. A pause that the other side asks for (`retryAfterMs` of the error, HTTP 429) is kept.
 */
export async function retried<T>(
  call: (signal: AbortSignal) => Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  const { delaysMs = [2_000, 4_000, 8_000], timeoutMs = 30_000, signal } = options;
  const { worthIt = isWorthRetrying, onRetry } = options;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once(call, timeoutMs, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const delay = delaysMs[attempt];
      if (delay === undefined || !worthIt(error)) throw error;
      const asked = Number((error as { retryAfterMs?: unknown }).retryAfterMs);
      const pause = asked > delay ? Math.min(asked, timeoutMs) : delay;
      onRetry?.(error, attempt + 1, pause);
      await sleep(pause, undefined, signal ? { signal } : {});
    }
  }
}

/** The attempt took longer than its time. */
export class AttemptTimeout extends Error {
  override readonly name = 'AttemptTimeout';
  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

async function once<T>(
  call: (signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
  outer?: AbortSignal,
): Promise<T> {
  const limit = new AbortController();
  const signal = outer ? AbortSignal.any([limit.signal, outer]) : limit.signal;
  const timer = setTimeout(() => limit.abort(new AttemptTimeout(timeoutMs)), timeoutMs);
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([call(signal), stopped]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** System errors of a network that may be better in a moment. */
const PASSING = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
]);

/**
 * Whether an error may pass by itself: no answer in time, a broken connection, HTTP 408, 425, 429 and 5xx
 * but 501. A wrong key, a bad request or a fault of the program stays what it is.
 */
export function isWorthRetrying(error: unknown): boolean {
  if (error instanceof AttemptTimeout) return true;
  if (typeof error !== 'object' || error === null) return false;
  const { status, statusCode, code, cause } = error as Record<string, unknown>;
  const http = Number(status ?? statusCode);
  if (http > 0) return [408, 425, 429].includes(http) || (http >= 500 && http !== 501);
  if (typeof code === 'string' && PASSING.has(code)) return true;
  return cause !== undefined && isWorthRetrying(cause);
}
