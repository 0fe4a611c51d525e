import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import type { Execution, Executions } from '../../execution/executions.js';
import { HttpError, ok, type Routes } from '../types.js';
import { fromStore, idOf } from '../user.js';

const work = z.strictObject({
  /** How long the review takes, in milliseconds. */
  takes_ms: z.int().min(0).max(600_000).default(0),
  fails: z.boolean().default(false),
});

/**
 * `POST /api/executions/{id}` `{takes_ms?, fails?}` -> 202 `{execution, fence}` and it is done; 409
 * `{error, because: executing | completed}` while it is, and for 5 minutes after; `GET` -> its record.
 */
export function executionRoutes(executions: Executions, onError: (error: unknown) => void): Routes {
  return {
    '/api/executions/:id': {
      async GET(call) {
        const record = await fromStore(executions.get(idOf(call, 'id')), onError);
        if (!record) throw new HttpError(404, 'no such execution');
        return ok(record);
      },
      async POST(call) {
        const id = idOf(call, 'id');
        const wanted = await call.body(work);
        const begun = await fromStore(executions.start(id), onError);
        if (!begun.started) {
          const { because } = begun;
          const error = because === 'executing' ? 'it is executing' : 'it was completed just now';
          return { status: 409, body: { error, because } };
        }
        void perform(begun, wanted).catch(onError);
        const { execution, fence } = begun;
        return { status: 202, body: { execution, fence } };
      },
    },
  };
}

async function perform(
  execution: Execution,
  { takes_ms, fails }: z.output<typeof work>,
): Promise<void> {
  const STEPS = 4;
  for (let step = 1; step <= STEPS && takes_ms > 0; step += 1) {
    await sleep(takes_ms / STEPS, undefined, { ref: false });
    await execution.progress((100 * step) / STEPS);
  }
  if (fails) return execution.fail('it was asked to fail');
  await execution.succeed({ reviewed: true });
}
