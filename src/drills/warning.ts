import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { namesIn, readJson, type State } from '../state/folder.js';

/**
 * A line for each drill that is open. Asked at every start, so it looks at one folder and, only
 * where a drill is open, into its journal.
 */
export function openDrillWarnings(state: State): string[] {
  let names: string[];
  const folder = state.path('drills', 'open');
  try {
    names = namesIn(folder);
  } catch (error) {
    // No reason to refuse a command that needs no state.
    return [`it is unknown whether a drill is open: ${messageOf(error)}`];
  }
  return names.flatMap((name) => {
    // Undefined when it was closed this moment.
    const journal = readJson(join(folder, name, 'journal.json')) as Journal | undefined;
    if (journal?.phase !== 'injecting') return [];
    return `a drill is open: ${journal.drill} has broken ${journal.target}. See cache-ops drill status; to restore it now: cache-ops drill restore`;
  });
}

interface Journal {
  drill?: string;
  target?: string;
  phase?: string;
}
