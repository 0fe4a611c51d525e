import * as z from 'zod';
import type { Cache, Json } from '../../cache/types.js';
import { DEFAULT_TTL_SECONDS } from '../../cache/types.js';
import { checkKey, checkText } from '../ids.js';
import { type Call, HttpError, ok, type Routes } from '../types.js';

const MAX_TTL_SECONDS = 30 * 24 * 60 * 60;

/** Seconds to live of whatever is stored. */
export const ttl = z.int().min(1).max(MAX_TTL_SECONDS).default(DEFAULT_TTL_SECONDS);

/** Any JSON, which may be null, but not left out. */
export const anyJson = z.unknown().refine((value) => value !== undefined, { error: 'required' });

export const entry = z.strictObject({ value: anyJson, ttl });

/**
 * `GET /api/cache/{key}` -> `{key, value}`; `PUT` `{value, ttl?: seconds}` -> `{key, ttl}`;
 * `DELETE` -> `{deleted: 0 | 1}`; `HEAD` -> 200 or 404; `DELETE /api/cache?pattern=` ->
 * `{deleted: n}`; `GET /api/stats` -> the counters of this instance.
 */
export function cacheRoutes(cache: Cache): Routes {
  const keyOf = (call: Call) => checkKey(call.params.key ?? '');
  return {
    '/api/cache/:key': {
      async GET(call) {
        const key = keyOf(call);
        const value = await cache.get(key);
        if (value === undefined) throw new HttpError(404, 'no such key');
        return ok({ key, value });
      },
      async HEAD(call) {
        if (!(await cache.has(keyOf(call)))) throw new HttpError(404, 'no such key');
        return ok({});
      },
      async PUT(call) {
        const key = keyOf(call);
        const { value, ttl } = await call.body(entry);
        await cache.set(key, value as Json, ttl);
        return ok({ key, ttl });
      },
      async DELETE(call) {
        return ok({ deleted: Number(await cache.delete(keyOf(call))) });
      },
    },
    '/api/cache': {
      // An absent pattern never means everything: that is `*`, in so many words.
      async DELETE(call) {
        const pattern = checkText('pattern', call.query.get('pattern') ?? '');
        return ok({ deleted: await cache.deleteMany(pattern) });
      },
    },
    '/api/stats': { GET: () => ok(cache.stats()) },
  };
}
