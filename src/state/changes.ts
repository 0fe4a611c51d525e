import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CacheOpsError } from '../errors.js';
import { namesIn } from './folder.js';
import { identify } from './identity.js';
import { claim, holderOf } from './lock.js';

/** Sorts by time; several a millisecond are told apart. */
export function newId(action: string, now: number): string {
  const at = new Date(now).toISOString();
  const digits = at.replace(/[-:]|\.\d+Z$/g, '').replace('T', '-');
  return `${digits}-${action}-${crypto.randomUUID().slice(0, 6)}`;
}

/** Makes this process the only one that works on a change; refuses while another one does. */
export function claimChange(folder: string, name: string, pid: number): { release(): void } {
  const self = identify(pid);
  if (!self) throw new Error('this process cannot be identified');
  const claimed = claim(folder, self);
  if ('release' in claimed) return claimed;
  throw new CacheOpsError(
    'refused',
    `process ${claimed.holder.pid} is at work on ${name}`,
    'wait for it, or end it: it stops at the next safe point',
  );
}

export function forget(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** So many finished changes are remembered. */
const KEPT = 100;
/** A folder without a record may be one that is just being made. */
const GRACE = 60_000;

/**
 * Forgets old finished changes, and those whose process died while it was still choosing. `folder` has one folder
 * a change; `recordOf` reads the record of one.
 */
export function prune(
  folder: string,
  recordOf: (id: string) => { ended_at: string | null } | undefined,
  now: number,
): void {
  const finished: string[] = [];
  for (const id of namesIn(folder)) {
    const record = recordOf(id);
    if (record?.ended_at) finished.push(id);
    else if (!record && isLeft(join(folder, id), now)) forget(join(folder, id));
  }
  for (const id of finished.slice(0, -KEPT)) forget(join(folder, id));
}

function isLeft(folder: string, now: number): boolean {
  const { mtimeMs } = statSync(folder, { throwIfNoEntry: false }) ?? { mtimeMs: now };
  return mtimeMs < now - GRACE && !holderOf(folder);
}
