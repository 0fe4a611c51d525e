import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import type { SharedCounters } from '../../cache/counters.js';
import type { Creator } from '../../cache/get-or-create.js';
import type { SharedHashes } from '../../cache/hashes.js';
import type { Json } from '../../cache/types.js';
import { ForeignValueError } from '../../connection/link.js';
import { checkKey } from '../ids.js';
import { type Call, HttpError, ok, type Routes } from '../types.js';
import { anyJson, entry, ttl } from './cache.js';

const making = z.strictObject({
  value: anyJson,
  ttl,
  /** How long it takes to make it, in milliseconds, as a call of a model does. */
  takes_ms: z.int().min(0).max(60_000).default(0),
  fails: z.boolean().default(false),
});

const step = z.strictObject({ by: z.int().min(-1e9).max(1e9).default(1), ttl });

/**
 * `POST /api/cache/{key}/create` `{value, ttl?, takes_ms?, fails?}` -> `{key, value, created}`: the value that is
 * there, or this one, which is made once however many ask at once; 502 when it could not be made.
 * `GET /api/hashes/{key}` -> `{key, fields}`; `PUT`, `GET` and `DELETE` of `/api/hashes/{key}/{field}` `{value, ttl?}`.
 * `POST /api/counters/{key}` `{by?, ttl?}` -> `{key, value}`; `GET` -> the same. 409 where a key holds something else.
 */
export function sharedRoutes(
  {
    creator,
    hashes,
    counters,
  }: { creator: Creator; hashes: SharedHashes; counters: SharedCounters },
  onError: (error: unknown) => void,
): Routes {
  const keyOf = (call: Call) => checkKey(call.params.key ?? '');
  const fieldOf = (call: Call) => checkKey(call.params.field ?? '');
  return {
    '/api/cache/:key/create': {
      async POST(call) {
        const key = keyOf(call);
        const { value, ttl: ttlSeconds, takes_ms, fails } = await call.body(making);
        let created = false;
        const make = async (): Promise<Json> => {
          created = true;
          await sleep(takes_ms);
          if (fails) throw new NotMadeError();
          return value as Json;
        };
        try {
          return ok({
            key,
            value: await creator.getOrCreate(key, make, { ttlSeconds }),
            created,
          });
        } catch (error) {
          if (!(error instanceof NotMadeError)) throw error;
          onError(error);
          throw new HttpError(502, 'the value could not be made');
        }
      },
    },
    '/api/hashes/:key': {
      async GET(call) {
        const key = keyOf(call);
        return ok({ key, fields: await own(hashes.all(key)) });
      },
    },
    '/api/hashes/:key/:field': {
      async GET(call) {
        const [key, field] = [keyOf(call), fieldOf(call)];
        const value = await own(hashes.get(key, field));
        if (value === undefined) throw new HttpError(404, 'no such field');
        return ok({ key, field, value });
      },
      async PUT(call) {
        const [key, field] = [keyOf(call), fieldOf(call)];
        const { value, ttl: seconds } = await call.body(entry);
        await own(hashes.set(key, field, value as Json, seconds));
        return ok({ key, field, ttl: seconds });
      },
      async DELETE(call) {
        const [key, field] = [keyOf(call), fieldOf(call)];
        await own(hashes.delete(key, field));
        return ok({ key, field });
      },
    },
    '/api/counters/:key': {
      async GET(call) {
        const key = keyOf(call);
        return ok({ key, value: await own(counters.get(key)) });
      },
      async POST(call) {
        const key = keyOf(call);
        const { by, ttl: seconds } = await call.body(step);
        return ok({ key, value: await own(counters.add(key, by, seconds)) });
      },
    },
  };
}

/** Whoever asks has asked for the failure. */
class NotMadeError extends Error {
  override readonly name = 'NotMadeError';
}

/** A value of somebody else's under the key is the caller's to sort out. */
async function own<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ForeignValueError) throw new HttpError(409, error.message);
    throw error;
  }
}
