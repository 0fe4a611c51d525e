import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { Environment } from '../config/environment.js';
import { CacheOpsError, codeOf, messageOf } from '../errors.js';

/** The folder with journals, drill records and the audit log: `$XDG_STATE_HOME/cache-ops`. */
export interface State {
  readonly folder: string;
  path(...names: string[]): string;
  /** The configuration file of a sandbox that is up. */
  sandboxConfig(): string | undefined;
}

export function openState(env: Environment): State {
  const { XDG_STATE_HOME: given = '' } = env;
  // XDG Base Directory Specification: a relative path is to be ignored. It would be another folder
  // for every working folder, and so would be the drills that are open.
  const base = isAbsolute(given) ? given : join(env.HOME || homedir(), '.local', 'state');
  const folder = join(base, 'cache-ops');
  return {
    folder,
    path: (...names) => join(folder, ...names),
    sandboxConfig() {
      const file = join(folder, 'sandbox', 'cache-ops.yaml');
      return existsSync(file) ? file : undefined;
    },
  };
}

/** Runs a write to the state folder; a full disk or a folder without rights becomes one clear line. */
export function stateWrite<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error;
    throw stateError(path, error);
  }
}

/** Why a file of the state folder could not be written, and what to do. */
export function stateError(path: string, error: unknown): CacheOpsError {
  const reason =
    {
      ENOSPC: 'the disk is full',
      EDQUOT: 'the disk quota is used up',
      EROFS: 'the disk is read-only',
      EACCES: 'no permission',
    }[codeOf(error) ?? ''] ?? messageOf(error);
  return new CacheOpsError(
    'state',
    `cannot write ${path}: ${reason}`,
    'set XDG_STATE_HOME to a folder that can be written',
  );
}

/** Makes a folder that only its owner may read. */
export function makeFolder(path: string): void {
  stateWrite(path, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
}

/**
 * Writes a whole file so that after a crash either the old or the new text is there, on disk:
 * a new file is written and synced, renamed over the old one, and the folder is synced.
 */
export function writeDurably(path: string, text: string): void {
  makeFolder(dirname(path));
  stateWrite(path, () => fromDraft(path, text, (draft) => renameSync(draft, path)));
}

/**
 * Creates a file that must not exist yet (EEXIST otherwise: of several racers one wins), synced.
 * It appears with its text in it: linked and not written in place.
 */
export function createDurably(path: string, text: string): void {
  fromDraft(path, text, (draft) => linkSync(draft, path));
}

/** `place` gives the draft, written and synced, its name. The draft is gone afterwards in any case. */
function fromDraft(path: string, text: string, place: (draft: string) => void): void {
  const draft = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    place(draft);
  } finally {
    rmSync(draft, { force: true });
  }
  syncFolder(dirname(path));
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The names in a folder, sorted; none when it does not exist, or when a file is in its place. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return [];
    throw new CacheOpsError('state', `cannot read ${folder}: ${messageOf(error)}`);
  }
}

/** A file's JSON, or undefined when it is not there or broken off. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
