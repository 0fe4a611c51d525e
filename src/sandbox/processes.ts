import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheOpsError } from '../errors.js';
import type { Host } from '../io.js';
import { type Identity, identify, signalTo } from '../state/identity.js';

/** Environment variable of every process of a sandbox; its value is the sandbox's folder. */
export const MARK = 'CACHE_OPS_SANDBOX';

export interface Found extends Identity {
  /** The program's name, up to 15 characters. */
  name: string;
}

/** How long a process may take to end before it is killed, and then to be gone, in ms. */
const GRACE = 8_000;
const KILL_LIMIT = 5_000;

/**
 * The processes of the sandbox in `folder`, found without any help of the one that started them:
 * each works in a folder below it, and either carries the mark or is one of the servers. (Redis and
 * Postgres write their titles over their environment; a drill starts Redis without the mark.)
 * A shell or an editor that somebody opened there is neither.
 */
export function processesIn(folder: string): Found[] {
  return fromProc(folder) ?? fromLsof(folder);
}

function fromProc(folder: string): Found[] | undefined {
  let names: string[];
  try {
    readlinkSync('/proc/self/cwd');
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
  return names.flatMap((pid) => {
    try {
      // proc(5): " (deleted)" follows when the folder is gone.
      const cwd = readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
      if (!isWithin(folder, cwd)) return [];
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      if (!isServer(name) && !marked(pid, folder)) return [];
      const identity = identify(Number(pid));
      return identity ? [{ ...identity, name }] : [];
    } catch {
      // It has ended, or is another user's.
      return [];
    }
  });
}

function marked(pid: string, folder: string): boolean {
  return readFileSync(`/proc/${pid}/environ`, 'latin1')
    .split('\0')
    .includes(`${MARK}=${Buffer.from(folder).toString('latin1')}`);
}

/** The same where there is no /proc (macOS). Environments cannot be read there: `node` goes by its name. */
export function fromLsof(folder: string): Found[] {
  let text: string;
  try {
    text = execFileSync('lsof', ['-w', '-n', '-P', '+c', '0', '-d', 'cwd', '-F', 'pcn'], {
      encoding: 'utf8',
      timeout: 5_000,
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    // It exits 1 when it could not see some process, having printed the others.
    const { stdout } = error as { stdout?: unknown };
    if (typeof stdout !== 'string' || stdout === '') {
      throw new CacheOpsError(
        'unavailable',
        'the sandbox cannot look for its processes: lsof does not run',
        'install lsof',
      );
    }
    text = stdout;
  }
  const found: Found[] = [];
  let pid = 0;
  let name = '';
  for (const line of text.split('\n')) {
    const value = line.slice(1);
    if (line.startsWith('p')) pid = Number(value);
    if (line.startsWith('c')) name = value;
    if (!line.startsWith('n') || !isWithin(folder, value.replace(/ \(deleted\)$/, ''))) continue;
    const identity = isServer(name) || /^(node|initdb)/.test(name) ? identify(pid) : undefined;
    if (identity) found.push({ ...identity, name });
  }
  return found;
}

function isServer(name: string): boolean {
  return /^((redis|valkey|keydb)-server|postgres|initdb)/.test(name);
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/**
 * Ends every process of the sandbox in `folder`, by force those that do not end when asked, and
 * returns what was there. Throws when one cannot be ended.
 */
export async function endAll(host: Host, folder: string): Promise<Found[]> {
  const ended = new Map<string, Found>();
  const asked = new Set<string>();
  const start = performance.now();
  for (;;) {
    const found = processesIn(folder);
    if (found.length === 0) return [...ended.values()];
    const late = performance.now() - start > GRACE;
    // initdb is left to finish: it takes a moment, and its helpers (Postgres, started by way of a
    // shell), when killed, leave shared memory behind that belongs to no folder.
    const initializing = !late && found.some(({ name }) => name === 'initdb');
    for (const process of found) {
      const key = `${process.pid} ${process.started}`;
      ended.set(key, process);
      if (initializing && /^(initdb|postgres|sh)$/.test(process.name)) continue;
      if (asked.has(key) && !late) continue;
      asked.add(key);
      signalTo(host, process, late ? 'SIGKILL' : polite(process));
    }
    if (performance.now() - start > GRACE + KILL_LIMIT) {
      throw new CacheOpsError(
        'state',
        `these processes of the sandbox do not end: ${found.map(({ pid, name }) => `${name} ${pid}`).join(', ')}`,
        'end them, then: cache-ops sandbox down',
      );
    }
    await sleep(10);
  }
}

/** SIGTERM lets Postgres wait for its clients to leave; SIGINT is its "fast shutdown". */
function polite({ name }: Found): NodeJS.Signals {
  return name === 'postgres' ? 'SIGINT' : 'SIGTERM';
}
