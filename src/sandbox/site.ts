import { chmodSync, mkdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as z from 'zod/mini';
import type { Environment } from '../config/environment.js';
import { namesIn, readJson, type State, stateWrite, writeDurably } from '../state/folder.js';
import { isLock } from './lock.js';

const memberSchema = z.object({
  name: z.string(),
  /** Null of what listens nowhere. */
  address: z.nullable(z.string()),
  /** Its first line is the process's number. */
  pidFile: z.string(),
});
/** A server or service of the sandbox. */
export type Member = z.infer<typeof memberSchema>;

const siteSchema = z.object({
  /** The folder below which all servers keep their data and work. */
  folder: z.string(),
  /** Empty until all of them are ready. */
  members: z.array(memberSchema),
});
export type Site = z.infer<typeof siteSchema>;

/** The folder of the state that says where the sandbox is and how to reach it. */
export function siteFolder(state: State): string {
  return state.path('sandbox');
}

export function readSite(state: State): Site | undefined {
  return siteSchema.safeParse(readJson(join(siteFolder(state), 'sandbox.json'))).data;
}

export function writeSite(state: State, site: Site): void {
  writeDurably(join(siteFolder(state), 'sandbox.json'), `${JSON.stringify(site, null, 2)}\n`);
}

/**
 * Decides on a new folder, writes down where, and only then makes it: whatever kills us, `down`
 * knows where to look. Others may pass through it, since Postgres runs as another user when we are
 * root; what is in it is closed to them.
 */
export function makeSite(state: State, env: Environment): Site {
  const name = `cache-ops-sandbox-${crypto.randomUUID().slice(0, 13)}`;
  const site: Site = { folder: join(temporaryFolder(env), name), members: [] };
  writeSite(state, site);
  stateWrite(site.folder, () => mkdirSync(site.folder, { mode: 0o711 }));
  // The umask may have taken more away.
  chmodSync(site.folder, 0o711);
  return site;
}

/** Removes all of the sandbox's files but the lock. */
export function clearSite(state: State, site: Site | undefined): void {
  if (site) rmSync(site.folder, { recursive: true, force: true, maxRetries: 3 });
  const folder = siteFolder(state);
  for (const name of namesIn(folder)) {
    if (!isLock(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** The folder for temporary files that every user can reach, by the name the system knows it by. */
function temporaryFolder(env: Environment): string {
  const folders = [env.TMPDIR, '/tmp', tmpdir()].filter((folder) => folder !== undefined);
  const found = folders.find((folder) => folder !== '' && openToAll(folder));
  return realpathSync(found ?? tmpdir());
}

/** Whether any user can reach what is in a folder. */
export function openToAll(path: string): boolean {
  try {
    for (let folder = realpathSync(path); ; folder = dirname(folder)) {
      const stat = statSync(folder);
      if (!stat.isDirectory() || (stat.mode & 0o001) === 0) return false;
      if (folder === dirname(folder)) return true;
    }
  } catch {
    return false;
  }
}
