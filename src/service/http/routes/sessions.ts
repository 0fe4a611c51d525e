import * as z from 'zod';
import { SESSION_KINDS, type SessionKind, type SessionStore } from '../../sessions.js';
import { type Call, HttpError, ok, type Routes } from '../types.js';
import { idOf, userOf } from '../user.js';

const message = z.strictObject({
  role: z.enum(['user', 'assistant']),
  content: z.string().min(1).max(100_000),
});

/**
 * `GET /api/sessions/{generate|optimize|search}/{task}` -> `{messages}`; `POST` `{role, content}` -> the same,
 * cut to 20 rounds; `DELETE` -> `{deleted: 0 | 1}`. The user comes in `X-User-Id`; another's is 404.
 */
export function sessionRoutes(sessions: SessionStore): Routes {
  const of = (call: Call): [SessionKind, string, string] => {
    const user = userOf(call);
    const kind = SESSION_KINDS.find((one) => one === call.params.kind);
    if (!kind) throw new HttpError(404, `a session is one of ${SESSION_KINDS.join(', ')}`);
    return [kind, user, idOf(call, 'task')];
  };
  return {
    '/api/sessions/:kind/:task': {
      async GET(call) {
        const messages = await sessions.get(...of(call));
        if (!messages) throw new HttpError(404, 'no such session');
        return ok({ messages });
      },
      async POST(call) {
        const where = of(call);
        return ok({ messages: await sessions.add(...where, await call.body(message)) });
      },
      async DELETE(call) {
        return ok({ deleted: Number(await sessions.delete(...of(call))) });
      },
    },
  };
}
