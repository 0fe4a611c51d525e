/** No answer came in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';

  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

/**
 * The promise, or a DeadlineError after `ms`. Used in place of ioredis' `commandTimeout`, because
 * timers run before the socket is read: after a pause of our own event loop, that one reports a
 * hung Redis although the answer has long arrived. Here such an answer is read first.
 */
export function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const fail = () => reject(new DeadlineError(ms));
    const timer = setTimeout(() => setImmediate(() => setImmediate(fail)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
