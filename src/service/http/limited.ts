import type { RateLimiter } from '../rate-limit.js';
import { type Handler, HttpError, type Method, type Routes } from './types.js';
import { userOf } from './user.js';

/** The same routes, on which each user may change things so often a minute; more is 429. */
export function limited(routes: Routes, limiter: RateLimiter | undefined): Routes {
  if (!limiter) return routes;
  const guard =
    (handler: Handler): Handler =>
    async (call) => {
      const { allowed, resetsIn } = await limiter.take(userOf(call));
      if (allowed) return handler(call);
      throw new HttpError(429, 'too many requests', { 'retry-after': String(resetsIn) });
    };
  const guardedOf = (methods: Routes[string]) =>
    Object.fromEntries(
      Object.entries(methods).map(([method, handler]) => [
        method,
        (['PUT', 'POST'] as string[]).includes(method as Method) ? guard(handler) : handler,
      ]),
    );
  return Object.fromEntries(
    Object.entries(routes).map(([path, methods]) => [path, guardedOf(methods)]),
  );
}
