import * as z from 'zod';
import { TASK_STATES, type TaskStore, type TaskUpdate } from '../../tasks.js';
import { type Call, HttpError, ok, type Routes } from '../types.js';
import { idOf, userOf } from '../user.js';

const update = z.strictObject({
  status: z.enum(TASK_STATES),
  progress: z.number().min(0).max(100).optional(),
  message: z.string().max(2_000).optional(),
  result: z.unknown().optional(),
});

/**
 * `GET /api/tasks/{task}` -> the status; `PUT` `{status, progress?: per cent, message?, result?}` ->
 * the status as stored. The user comes in `X-User-Id` (401 without); another user's task is 404.
 */
export function taskRoutes(tasks: TaskStore): Routes {
  return {
    '/api/tasks/:task': {
      async GET(call) {
        const status = await tasks.get(userOf(call), taskOf(call));
        if (!status) throw new HttpError(404, 'no such task');
        return ok(status);
      },
      async PUT(call) {
        const user = userOf(call);
        const task = taskOf(call);
        const body = await call.body(update);
        return ok(await tasks.put(user, task, body as TaskUpdate));
      },
    },
  };
}

const taskOf = (call: Call) => idOf(call, 'task');
