import * as z from 'zod';
import { TASK_MODES, type TaskStore } from '../../tasks.js';
import { demandToken } from '../token.js';
import { type Call, HttpError, ok, type Routes } from '../types.js';

const MAX_LIMIT = 1_000;

const modeBody = z.strictObject({ mode: z.enum(TASK_MODES) });

/**
 * What a migration reads, with the token as `Authorization: Bearer ...`: `GET /api/export/tasks?limit=&cursor=`
 * -> `{entries: [{user, task, value, expiresAt}], next: cursor or null, last_change}`, what this process has in
 * memory; `GET /api/export/changes?since=&limit=` -> `{entries, next: number}`, what was changed after the change
 * of that number, or 410 when that is too long ago; `PUT /api/export/mode` `{mode}`: memory, both or redis, the
 * switch of the move, without a restart. The token shows every user's tasks: it is the operator's.
 */
export function exportRoutes(tasks: TaskStore, token: string): Routes {
  return {
    '/api/export/tasks': {
      GET(call) {
        demandToken(call.headers, token);
        // Before the page is read: a change in between is followed too, rather than missed.
        const last_change = tasks.lastChange;
        const page = tasks.held(call.query.get('cursor') ?? undefined, limitOf(call));
        return ok({ ...page, last_change });
      },
    },
    '/api/export/mode': {
      GET(call) {
        demandToken(call.headers, token);
        return ok({ mode: tasks.mode });
      },
      async PUT(call) {
        demandToken(call.headers, token);
        const { mode } = await call.body(modeBody);
        try {
          tasks.use(mode);
        } catch {
          throw new HttpError(409, `${mode}: this instance has no Redis`);
        }
        return ok({ mode: tasks.mode });
      },
    },
    '/api/export/changes': {
      GET(call) {
        demandToken(call.headers, token);
        const since = Number(call.query.get('since') ?? '');
        if (!Number.isSafeInteger(since) || since < 0)
          throw new HttpError(400, 'since: expected the number of a change');
        const page = tasks.changedSince(since, limitOf(call));
        if (!page) throw new HttpError(410, 'since: too long ago to be known; read all again');
        return ok(page);
      },
    },
  };
}

function limitOf({ query }: Call): number {
  const limit = Number(query.get('limit') ?? MAX_LIMIT);
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new HttpError(400, `limit: expected 1 to ${MAX_LIMIT}`);
}
