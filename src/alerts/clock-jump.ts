import type { AlertState } from './state.js';

/** The present moment by the clock that people set, and by one that nobody does. */
export interface Moment {
  /** Milliseconds since 1970. */
  now: number;
  /** Milliseconds since the machine was started; null where that is not known. */
  ticks: number | null;
  /** Names that start. */
  boot: string | null;
}

/** Clocks are read one after the other, and drift. */
const TOLERANCE = 5_000;

/** Milliseconds that have truly passed since the state was kept; null where no clock tells. */
export function elapsed(
  since: { at: number | null; ticks: number | null },
  moment: Moment,
  sameBoot: boolean,
): number | null {
  if (sameBoot && since.ticks !== null && moment.ticks !== null && moment.ticks >= since.ticks)
    return moment.ticks - since.ticks;
  if (since.at === null || moment.now < since.at) return null;
  return moment.now - since.at;
}

/**
 * By how much the clock was set since the state was kept: 0 where nothing says so. Everything that
 * the state remembers is moved by that, so that what is to last five minutes lasts five minutes.
 */
export function moveTimes(state: AlertState, moment: Moment): number {
  const sameBoot = state.boot !== null && state.boot === moment.boot;
  if (state.at === null || !sameBoot || state.ticks === null || moment.ticks === null) return 0;
  const jump = moment.now - state.at - (moment.ticks - state.ticks);
  if (moment.ticks < state.ticks || Math.abs(jump) <= TOLERANCE) return 0;
  const moved = (at: number | null) => (at === null ? null : at + jump);
  for (const standing of Object.values(state.standings)) {
    standing.since += jump;
    standing.bad_since = moved(standing.bad_since);
    standing.critical_since = moved(standing.critical_since);
    standing.good_since = moved(standing.good_since);
    standing.started_at = moved(standing.started_at);
    standing.ended_at = moved(standing.ended_at);
  }
  for (const group of Object.values(state.groups)) {
    group.waiting_since = moved(group.waiting_since);
    group.told_at = moved(group.told_at);
    for (const told of Object.values(group.told)) {
      told.started_at += jump;
      if (told.ended) told.ended.at += jump;
    }
  }
  for (const trend of Object.values(state.trends)) trend.at += jump;
  for (const found of Object.values(state.queues)) found.at += jump;
  for (const points of Object.values(state.retained)) for (const point of points) point[0] += jump;
  return jump;
}
