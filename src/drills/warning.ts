import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context.js';
import { namesIn } from '../state/folder.js';

/**
 * Says on stderr, before any command, that a drill is open. Runs at every start, so it looks at
 * one folder and, only where a drill is open, into its journal.
 */
export function warnOfOpenDrills({ state, stderr }: Pick<Context, 'state' | 'stderr'>): void {
  const folder = state.path('drills', 'open');
  for (const name of namesIn(folder)) {
    const { drill, target, phase } = read(join(folder, name, 'journal.json'));
    if (phase !== 'injecting') continue;
    stderr.write(
      `cache-ops: a drill is open: ${drill} has stopped ${target}. See cache-ops drill status; to restore it now: cache-ops drill restore\n`,
    );
  }
}

function read(file: string): { drill?: string; target?: string; phase?: string } {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // It was closed this moment.
    return {};
  }
}
