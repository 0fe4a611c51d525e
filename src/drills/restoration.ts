import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, signalTo } from '../state/identity.js';
import type { Scene as Surroundings } from './guard.js';
import { type Restored, takeOver } from './guard.js';
import { type Journal, openDrills, readJournal, stateOf } from './journal.js';

export interface OpenDrill {
  id: string;
  drill: string;
  target: string;
  address: string;
  opened_at: string;
  phase: Journal['phase'];
  state: ReturnType<typeof stateOf>;
}

/** The drills that are not closed. */
export function statusOf(state: Surroundings['state']): OpenDrill[] {
  return openDrills(state).map(({ journal }) => ({
    id: journal.id,
    drill: journal.drill,
    target: journal.target,
    address: journal.address,
    opened_at: journal.openedAt,
    phase: journal.phase,
    state: stateOf(journal),
  }));
}

/** Time for a watchdog that was asked to restore; a server may take a while to stop and to load. */
const WATCHDOG_LIMIT = 100_000;

/**
 * Restores and closes an open drill. Its watchdog is asked first; when it is dead or does not
 * manage, this process does it. A command line that still runs sees that its drill has ended.
 */
export async function restoreDrill(scene: Surroundings, folder: string): Promise<Restored> {
  const { watchdog, cli, phase } = readJournal(folder) ?? {};
  if (watchdog && signalTo(scene.host, watchdog, 'SIGTERM')) {
    const deadline = performance.now() + WATCHDOG_LIMIT;
    while (isAlive(watchdog) && performance.now() < deadline) await sleep(25);
  } else if (cli && phase === 'preparing' && isAlive(cli)) {
    return {
      type: 'not_restored',
      reason: `the drill is just being prepared by process ${cli.pid}: nothing is broken yet`,
    };
  }
  return readJournal(folder)
    ? takeOver(scene, folder, 'drill restore')
    : { type: 'restored', by: 'drill restore' };
}
