import * as z from 'zod';
import type { BatchRunner } from '../../batches/runner.js';
import type { BatchStore } from '../../batches/store.js';
import type { Json } from '../../cache/types.js';
import type { Jobs } from '../../jobs.js';
import { HttpError, ok, type Routes } from '../types.js';
import { fromStore, idOf, userOf } from '../user.js';

const MOST_ITEMS = 100_000;

const task = z
  .strictObject({
    kind: z.string().regex(/^[a-z][a-z0-9:-]{0,59}$/, 'expected a queue such as title-screening'),
    items: z.array(z.unknown()).min(1).max(MOST_ITEMS).optional(),
    /** In place of `items`: so many papers, numbered. */
    count: z.int().min(1).max(MOST_ITEMS).optional(),
    seconds_per_item: z.number().positive().max(3_600).optional(),
    batch_size: z.int().min(1).max(10_000).optional(),
  })
  .refine(({ items, count }) => (items === undefined) !== (count === undefined), {
    error: 'expected either items or count',
  });

/**
 * `POST /api/screening` `{kind, items | count, seconds_per_item?, batch_size?}` -> 202 `{task}`;
 * `GET /api/screening/{task}` -> the task's row: figures over all batches, the last checkpoint;
 * `DELETE` -> `{cancelled}`. The user comes in `X-User-Id`; another user's task is 404.
 */
export function screeningRoutes(
  runner: BatchRunner,
  store: BatchStore,
  jobs: Jobs,
  onError: (error: unknown) => void,
): Routes {
  return {
    '/api/screening': {
      async POST(call) {
        const user = userOf(call);
        const body = await call.body(task);
        if (jobs.has(body.kind)) throw new HttpError(400, 'kind: this is a queue of single jobs');
        const { kind, count = 0, seconds_per_item: secondsPerItem, batch_size: batchSize } = body;
        const items = (body.items ??
          Array.from({ length: count }, (_, paper) => ({ paper }))) as Json[];
        const submitted = runner.submit({ user, kind, items, secondsPerItem, batchSize });
        return { status: 202, body: { task: await fromStore(submitted, onError) } };
      },
    },
    '/api/screening/:task': {
      async GET(call) {
        const found = await fromStore(store.get(userOf(call), idOf(call, 'task')), onError);
        if (!found) throw new HttpError(404, 'no such task');
        return ok(found);
      },
      async DELETE(call) {
        const cancelled = store.cancel(userOf(call), idOf(call, 'task'));
        return ok({ cancelled: await fromStore(cancelled, onError) });
      },
    },
  };
}
