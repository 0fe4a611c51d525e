import * as z from 'zod';
import type { Json } from '../../cache/types.js';
import type { Jobs } from '../../jobs.js';
import { type Call, HttpError, ok, type Routes } from '../types.js';
import { fromStore, idOf, userOf } from '../user.js';
import { anyJson } from './cache.js';

const job = z.strictObject({
  data: anyJson,
  id: z.string().optional(),
  delay_ms: z
    .int()
    .min(0)
    .max(7 * 24 * 3_600_000)
    .optional(),
  priority: z.int().min(0).max(1_000).optional(),
});

/**
 * `POST /api/jobs/{queue}` `{data, id?, delay_ms?, priority?}` -> 202 `{job}`; `GET /api/jobs/{queue}/{job}` -> state,
 * progress with its message, attempts, result; `DELETE` -> `{cancelled}`; `POST .../{job}/retry` -> `{retried}`. The
 * user comes in `X-User-Id`; another user's job is 404. 503 while the store of the queue is away.
 */
export function jobRoutes(jobs: Jobs, onError: (error: unknown) => void): Routes {
  const queueOf = (call: Call) => {
    const queue = call.params.queue ?? '';
    if (jobs.has(queue)) return queue;
    throw new HttpError(404, 'no such queue');
  };
  return {
    '/api/jobs/:queue': {
      async POST(call) {
        const [queue, user] = [queueOf(call), userOf(call)];
        const { data, id, delay_ms: delayMs, priority } = await call.body(job);
        const options = {
          ...(id !== undefined && { id }),
          ...(delayMs !== undefined && { delayMs }),
          ...(priority !== undefined && { priority }),
        };
        const pushed = fromStore(jobs.push(queue, user, data as Json, options), onError);
        return { status: 202, body: { job: await pushed.catch(badOption) } };
      },
    },
    '/api/jobs/:queue/:job': {
      async GET(call) {
        const wanted = jobs.get(queueOf(call), userOf(call), idOf(call, 'job'));
        const found = await fromStore(wanted, onError);
        if (!found) throw new HttpError(404, 'no such job');
        return ok(found);
      },
      async DELETE(call) {
        const cancelled = jobs.cancel(queueOf(call), userOf(call), idOf(call, 'job'));
        return ok({ cancelled: await fromStore(cancelled, onError) });
      },
    },
    '/api/jobs/:queue/:job/retry': {
      async POST(call) {
        const retried = jobs.retry(queueOf(call), userOf(call), idOf(call, 'job'));
        return ok({ retried: await fromStore(retried, onError) });
      },
    },
  };
}

function badOption(error: unknown): never {
  if (error instanceof RangeError) throw new HttpError(400, error.message);
  throw error;
}
