import { appendFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import type { Context } from '../context.js';
import { makeFolder, stateWrite } from './folder.js';

/** One change to an estate: what was done to what, and how it ended. Never holds a secret. */
export interface AuditEntry {
  action: string;
  target: string;
  result: string;
  detail?: Record<string, unknown>;
}

/** Appends who, when, what and result to `audit.ndjson`; one line a change. */
export function audit(context: Pick<Context, 'state' | 'now'>, entry: AuditEntry): void {
  const file = context.state.path('audit.ndjson');
  const line = {
    at: new Date(context.now()).toISOString(),
    by: `${userName()}@${hostname()}`,
    ...entry,
  };
  makeFolder(context.state.folder);
  stateWrite(file, () => appendFileSync(file, `${JSON.stringify(line)}\n`, { mode: 0o600 }));
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A uid without an entry in the user database, as containers often have.
    return 'unknown';
  }
}
