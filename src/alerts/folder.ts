import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../config/load.js';
import type { State } from '../state/folder.js';
import { identify } from '../state/identity.js';
import { claim } from '../state/lock.js';
import type { Moment } from './clock-jump.js';

/** The part of the state folder that the alerts of one estate have to themselves. */
export function alertFolder(state: State, config: Config): State {
  const { estate, environment, file } = config;
  const hash = createHash('sha256')
    .update(JSON.stringify([estate, environment, file]))
    .digest('hex');
  const name = `${estate.replace(/[^\w-]/g, '_').slice(0, 40)}-${hash.slice(0, 12)}`;
  return {
    ...state,
    folder: state.path('alerts', name),
    path: (...names) => state.path('alerts', name, ...names),
  };
}

/** Makes this process the one that keeps the state and tells people; or says which other one does. */
export function claimAlerts(
  folder: State,
  pid: number,
): { release(): void } | { holder: { pid: number } } {
  const self = identify(pid);
  if (!self) throw new Error(`there is no process ${pid}`);
  return claim(folder.path('lock'), self);
}

/** The present moment by all the clocks that there are. */
export function momentOf({
  now,
  uptime,
}: {
  now(): number;
  uptime?: (() => number) | undefined;
}): Moment {
  return { now: now(), ticks: uptime?.() ?? null, boot: uptime ? bootId() : null };
}

/** Another one after the machine was started anew: proc(5), random/boot_id. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
