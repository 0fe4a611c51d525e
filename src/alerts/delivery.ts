import type { Config } from '../config/load.js';
import { messageOf } from '../errors.js';
import type { State } from '../state/folder.js';
import { alertOf, type Telling, tell } from './groups.js';
import type { Notification } from './notification.js';
import type { Outbox } from './outbox.js';
import { readSilences, silencing } from './silences.js';
import type { Standing as Firing } from './sinks/sink.js';
import { type AlertState, type Standing, saveState } from './state.js';

/** What is to be told at a moment, and how patient that is. */
export function tellingAt(folder: State, config: Config, now: number, groupWait: number): Telling {
  const silences = readSilences(folder, now);
  return {
    now,
    estate: config.estate,
    environment: config.environment,
    groupWait,
    repeat: config.alerts?.repeat ?? 4 * 3_600_000,
    isSilenced: (standing) => silencing(silences, standing) !== undefined,
  };
}

/**
 * Keeps the state and hands over what is due. It is on disk that it has been told, and what, before it is:
 * killed in between, the next run hands the same over once more, and the outbox knows its id.
 */
export async function deliver(
  folder: State,
  state: AlertState,
  outbox: Outbox,
  telling: Telling,
  notice: (text: string) => void,
): Promise<Notification[]> {
  const due = tell(state, telling);
  state.outgoing.push(...due);
  keep(folder, state, notice);
  if (state.outgoing.length > 0) {
    for (const notification of state.outgoing) await outbox.add(notification);
    state.outgoing = [];
    keep(folder, state, notice);
  }
  outbox.refresh(firingNow(state, telling));
  return due;
}

/** A full disk keeps nobody from being told. */
export function keep(folder: State, state: AlertState, notice: (text: string) => void): void {
  try {
    saveState(folder, state);
  } catch (error) {
    notice(`the state of alerts is kept in memory only: ${messageOf(error)}`);
  }
}

function firingNow(state: AlertState, telling: Telling): Firing {
  const { now, estate, environment } = telling;
  const isHeard = (standing: Standing) =>
    standing.phase === 'firing' && standing.inhibited_by === null && !telling.isSilenced(standing);
  const alerts = Object.values(state.standings).filter(isHeard).map(alertOf);
  return { at: new Date(now).toISOString(), estate, environment, alerts };
}
