import type { Context } from '../context.js';
import { namesIn } from '../state/folder.js';

/** Says on stderr, before any command, that a drill has not been closed. */
export function warnOfOpenDrills({ state, stderr }: Pick<Context, 'state' | 'stderr'>): void {
  const open = namesIn(state.path('drills', 'open')).length;
  if (open > 0)
    stderr.write(`cache-ops: ${open} drill(s) not closed: see cache-ops drill status\n`);
}
