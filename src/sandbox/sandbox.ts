import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { inWords } from '../drills/faults/act.js';
import { archive, openDrills, readJournal, stateOf } from '../drills/journal.js';
import { CacheOpsError, messageOf } from '../errors.js';
import type { Io } from '../io.js';
import type { State } from '../state/folder.js';
import { signalTo } from '../state/identity.js';
import { type Binaries, findBinaries } from './binaries.js';
import { postgresUrl, redisUrl, writeConfig } from './config.js';
import { type Holder, holderNow, lock } from './lock.js';
import { startPostgres } from './postgres.js';
import { endAll, type Found, processesIn } from './processes.js';
import { startRedis } from './redis.js';
import { builtProgram, startService } from './service.js';
import { clearSite, makeSite, readSite, type Site, siteFolder, writeSite } from './site.js';
import { startWorker } from './worker.js';

/** The world that the sandbox is made in. */
export interface Scene extends Pick<Io, 'env' | 'host' | 'signal'> {
  state: State;
}

export interface MemberStatus {
  name: string;
  running: boolean;
  pid: number | null;
  /** Null of what listens nowhere, and unknown of a sandbox that was not finished. */
  address: string | null;
}

/**
 * up: all of it runs; degraded: something of it has ended, or it was never finished; starting and
 * stopping: `up` or `down` is at work; down: there is none.
 */
export interface SandboxStatus {
  state: 'up' | 'degraded' | 'starting' | 'stopping' | 'down';
  /** The configuration that `--sandbox` uses; null unless the sandbox was ready once. */
  config: string | null;
  folder: string | null;
  processes: MemberStatus[];
}

/** How long an `up` that `down` interrupts may take to clear up after itself, in ms. */
const INTERRUPT_LIMIT = 15_000;
/** How long a watchdog whose drill was killed may take to restore, in ms. */
const WATCHDOG_LIMIT = 10_000;

/** Looks, and changes nothing. */
export function sandboxStatus(state: State): SandboxStatus {
  const site = readSite(state);
  const holder = holderNow(siteFolder(state));
  const config = state.sandboxConfig() ?? null;
  const processes = site ? membersOf(site) : [];
  const complete = config !== null && processes.every(({ running }) => running);
  const settled = site ? (complete ? 'up' : 'degraded') : 'down';
  const busy = holder && ({ up: 'starting', down: 'stopping' } as const)[holder.command];
  // An `up` that only finds a sandbox up and says so is not starting anything.
  const at = settled === 'up' && busy === 'starting' ? 'up' : (busy ?? settled);
  return { state: at, config, folder: site?.folder ?? null, processes };
}

function membersOf({ folder, members }: Site): MemberStatus[] {
  const found = processesIn(folder);
  if (members.length === 0) {
    return found.map(({ name, pid }) => ({ name, running: true, pid, address: null }));
  }
  const running = new Set(found.map(({ pid }) => pid));
  return members.map(({ name, address, pidFile }) => {
    const pid = readPid(pidFile);
    return pid !== undefined && running.has(pid)
      ? { name, running: true, pid, address }
      : { name, running: false, pid: null, address };
  });
}

function readPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  return Number.parseInt(readFileSync(file, 'utf8'), 10) || undefined;
}

/**
 * Brings the sandbox up and returns when every part of it answers; `already` when it was up. What
 * is left of a broken one is cleared first. When it fails or is interrupted, nothing stays behind.
 */
export async function sandboxUp(scene: Scene): Promise<SandboxStatus & { already: boolean }> {
  const { state, host, signal } = scene;
  const binaries = findBinaries(scene.env);
  const programs = { service: builtProgram(host, 'service'), worker: builtProgram(host, 'worker') };
  const held = await lock(siteFolder(state), 'up', { host, signal });
  try {
    const before = sandboxStatus(state);
    if (before.state === 'up') return { ...before, already: true };
    await clear(scene);
    try {
      await start(scene, binaries, programs);
    } catch (error) {
      await clear(scene);
      throw error;
    }
    return { ...sandboxStatus(state), already: false };
  } finally {
    held.release();
  }
}

async function start(
  scene: Scene,
  binaries: Binaries,
  programs: { service: string; worker: string },
): Promise<void> {
  const { state, env, signal } = scene;
  const { folder } = makeSite(state, env);
  // Letters and digits only: no place needs to quote them.
  const secrets = { redis: secret(), postgres: secret() };
  // The first failure keeps the others from starting anything more.
  const failed = new AbortController();
  const inner = { ...scene, signal: AbortSignal.any([signal, failed.signal]) };
  const redisStarted = startRedis(binaries.redisServer, folder, secrets.redis, inner);
  const postgresStarted = startPostgres(binaries.postgresBin, folder, secrets.postgres, inner);
  const startServices = async () => {
    const [one, other] = await Promise.all([redisStarted, postgresStarted]);
    const urls = { redis: redisUrl(one, secrets), postgres: postgresUrl(other, secrets) };
    return Promise.all(
      ['service-1', 'service-2'].map((name) =>
        startService(name, programs.service, folder, urls, inner),
      ),
    );
  };
  const startTheWorker = async () => {
    const [one, other] = await Promise.all([redisStarted, postgresStarted]);
    const urls = { redis: redisUrl(one, secrets), postgres: postgresUrl(other, secrets) };
    return startWorker(programs.worker, folder, urls, inner);
  };
  try {
    const [redis, postgres, services, worker] = await Promise.all([
      redisStarted,
      postgresStarted,
      startServices(),
      startTheWorker(),
    ]);
    const members = [redis, postgres, ...services, worker].map(({ name, address, pidFile }) => ({
      name,
      address,
      pidFile,
    }));
    writeSite(state, { folder, members });
    writeConfig(state, { redis, postgres, services }, secrets);
  } catch (error) {
    failed.abort(error);
    if (error instanceof Error && 'syscall' in error) {
      throw new CacheOpsError(
        'state',
        `cannot make the sandbox in ${folder}: ${messageOf(error)}`,
        'set TMPDIR to a folder with room that can be written',
      );
    }
    throw error;
  }
}

function secret(): string {
  return randomBytes(18).toString('hex');
}

export interface Ended {
  /** The folder that was removed; null when there was no sandbox. */
  folder: string | null;
  processes: { name: string; pid: number }[];
}

/**
 * Takes down whatever there is of a sandbox: its processes, its folder, its configuration. An `up`
 * that is still at work is interrupted first.
 */
export async function sandboxDown(scene: Scene): Promise<Ended> {
  const { state, host, signal } = scene;
  const folder = siteFolder(state);
  if (!existsSync(folder)) return { folder: null, processes: [] };
  const site = readSite(state);
  const held = await lock(folder, 'down', { host, signal, onBusy: interrupter(scene) });
  try {
    const ended = await clear(scene);
    return {
      folder: site?.folder ?? null,
      processes: ended.map(({ name, pid }) => ({ name, pid })),
    };
  } finally {
    held.release();
  }
}

/** Asks an `up` to end, once, and ends it by force when it does not. */
function interrupter({ host }: Scene): (holder: Holder) => void {
  let asked: number | undefined;
  return (holder) => {
    if (holder.command !== 'up' || holder.pid === host.pid) return;
    if (asked === undefined) {
      asked = performance.now();
      signalTo(host, holder, 'SIGTERM');
    } else if (performance.now() - asked > INTERRUPT_LIMIT) signalTo(host, holder, 'SIGKILL');
  };
}

/** Ends the processes and removes the files of what is there, if anything. The lock must be held. */
async function clear(scene: Scene): Promise<Found[]> {
  const { state, host } = scene;
  const site = readSite(state);
  if (site) await closeDrills(scene, site);
  const ended: Found[] = [];
  do {
    if (site) ended.push(...(await endAll(host, site.folder)));
    clearSite(state, site);
    // One that was being started when its `up` was killed may have come up in between.
  } while (site && processesIn(site.folder).length > 0);
  return ended;
}

/**
 * A drill on the sandbox must end first, or its watchdog would look for a Redis that no longer
 * exists. One that nobody looks after is closed: what it has broken is about to be removed.
 */
async function closeDrills({ state, signal }: Scene, { folder }: Site): Promise<void> {
  const deadline = performance.now() + WATCHDOG_LIMIT;
  for (const open of openDrills(state)) {
    const { fault } = open.journal;
    const ours = fault.config.file?.startsWith(state.path('sandbox'));
    if (!ours && !inWords(fault).mends.includes(folder)) continue;
    for (;;) {
      const journal = readJournal(open.folder);
      if (journal?.id !== open.journal.id) break;
      const now = stateOf(journal);
      // A watchdog whose drill was killed restores at once, and closes it.
      const ending = now === 'guarded' && performance.now() < deadline;
      if (now === 'running' || (now === 'guarded' && !ending)) {
        throw new CacheOpsError(
          'refused',
          `${journal.drill} (${journal.id}) is running on the sandbox`,
          'let it end, or: cache-ops drill restore',
        );
      }
      if (ending) await sleep(50, undefined, { signal });
      else archive(state, open.folder, journal.id);
    }
  }
}
