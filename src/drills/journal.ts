import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { CacheOpsError, codeOf } from '../errors.js';
import {
  createDurably,
  makeFolder,
  namesIn,
  readJson,
  type State,
  stateWrite,
  writeDurably,
} from '../state/folder.js';
import { type Identity, isAlive } from '../state/identity.js';
import { faultSchema } from './faults/fault.js';

const identity = z.object({ pid: z.number(), started: z.string() });

/**
 * What is on disk about a drill before anything is broken, so that any later process can restore.
 * Holds no secret. Phases only go forward:
 * preparing (nothing broken) > injecting (it may be broken) > restored.
 */
const journalSchema = z.object({
  id: z.string(),
  drill: z.string(),
  target: z.string(),
  address: z.string(),
  openedAt: z.string(),
  phase: z.enum(['preparing', 'injecting', 'restored']),
  fault: faultSchema,
  cli: identity,
  watchdog: z.optional(identity),
  /** How it was restored: who did it, and what made them. */
  restored: z.optional(z.object({ at: z.string(), by: z.string() })),
});
export type Journal = z.infer<typeof journalSchema>;

const FILE = 'journal.json';

/** The folder of an open drill: one a target, so that it is the target's lock too. */
export function openFolder(state: State, address: string): string {
  return state.path('drills', 'open', address.replace(/[^\w.-]+/g, '_'));
}

export function historyFolder(state: State, id?: string): string {
  return state.path('drills', 'history', ...(id ? [id] : []));
}

/** Opens the journal and so locks the target; refuses when another drill holds it. */
export function openJournal(state: State, journal: Journal): string {
  const folder = openFolder(state, journal.address);
  // The folder appears under its name with the journal in it, or not at all.
  const draft = state.path('drills', 'drafts', journal.id);
  makeFolder(state.path('drills', 'open'));
  writeDurably(join(draft, FILE), serialize(journal));
  const other = readJournal(folder);
  if (other && stateOf(other) === 'abandoned') archive(state, folder, other.id);
  try {
    renameSync(draft, folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error;
    const holder = readJournal(folder);
    throw new CacheOpsError(
      'refused',
      `another drill (${holder?.drill ?? 'unknown'}, ${holder?.id ?? folder}) is open on ${journal.address}`,
      'see cache-ops drill status; cache-ops drill restore closes it',
    );
  }
  return folder;
}

/**
 * Who looks after a drill. running: its command line; guarded: its watchdog; orphaned: nobody, and
 * the target may be broken; abandoned: nobody, and nothing is broken, so it needs no restoring.
 */
export function stateOf({
  cli,
  watchdog,
  phase,
}: Journal): 'running' | 'guarded' | 'orphaned' | 'abandoned' {
  if (isAlive(cli)) return 'running';
  if (watchdog && isAlive(watchdog)) return 'guarded';
  return phase === 'injecting' ? 'orphaned' : 'abandoned';
}

export function readJournal(folder: string): Journal | undefined {
  return journalSchema.safeParse(readJson(join(folder, FILE))).data;
}

/** Changes the journal of drill `id` on disk; synced when it returns. Throws when that drill was closed. */
export function amendJournal(folder: string, id: string, change: Partial<Journal>): Journal {
  const journal = readJournal(folder);
  if (journal?.id !== id) throw new CacheOpsError('state', `the drill ${id} has been closed`);
  const amended = { ...journal, ...change };
  writeDurably(join(folder, FILE), serialize(amended));
  return amended;
}

/** Moves a drill's folder to the history; the target is free again. Returns the new folder. */
export function archive(state: State, folder: string, id: string): string {
  const to = historyFolder(state, id);
  makeFolder(historyFolder(state));
  try {
    stateWrite(to, () => renameSync(folder, to));
  } catch (error) {
    // Somebody else who finished the same drill has moved it.
    if (readJournal(to)?.id !== id) throw error;
  }
  return to;
}

/** Every drill that is not closed, with its folder. */
export function openDrills(state: State): { folder: string; journal: Journal }[] {
  const root = state.path('drills', 'open');
  return namesIn(root).flatMap((name) => {
    const folder = join(root, name);
    const journal = readJournal(folder);
    return journal ? [{ folder, journal }] : [];
  });
}

/**
 * The right to restore. Each claim is a file of the next number that only one process can create;
 * a claim counts as long as its process lives. So of many restorers exactly one acts, and a dead
 * one does not block the next. Returns the living holder when it is another process.
 */
export function claim(folder: string, self: Identity): Identity | undefined {
  for (;;) {
    const last = Math.max(
      0,
      ...namesIn(folder).flatMap((name) =>
        name.startsWith('claim.') ? [Number(name.slice(6))] : [],
      ),
    );
    const held =
      last > 0 ? identity.safeParse(readJson(join(folder, `claim.${last}`))).data : undefined;
    if (held && isAlive(held)) return held.pid === self.pid ? undefined : held;
    try {
      createDurably(join(folder, `claim.${last + 1}`), JSON.stringify(self));
      return undefined;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

function serialize(journal: Journal): string {
  return `${JSON.stringify(journal, null, 2)}\n`;
}
