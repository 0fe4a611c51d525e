import type { Config } from '../config/load.js';
import { inspect } from '../health/health.js';
import type { HealthResult } from '../health/result.js';
import type { Limits } from '../redis/channel.js';
import type { State } from '../state/folder.js';
import { type Moment, moveTimes } from './clock-jump.js';
import { conclude, type Line } from './conclude.js';
import { forgetGone } from './history.js';
import type { RuleBook } from './rules.js';
import type { AlertState } from './state.js';
import type { Subject } from './subject.js';
import { subjectsOf } from './subjects.js';

/** What one look at the estate came to. */
export interface Evaluation {
  /** Milliseconds since 1970. */
  at: number;
  took_ms: number;
  health: HealthResult;
  subjects: Subject[];
  lines: Line[];
  /** Milliseconds that the clock was set by since the last one. */
  clock_moved: number;
}

export interface Looking extends Limits {
  moment: Moment;
  /** Where samples of memory are kept, for `memory` too. */
  folder: State;
  /** How many pings, over how many milliseconds. */
  pings?: { count: number; over: number };
  /** A sentence for the operator. */
  notice?: (text: string) => void;
}

/** Few, since each is a command on the server; spread, so that one pause of ours is not all of them. */
const PINGS = { count: 2, over: 100 };

/** Looks at everything once and moves the state on. Each target has its own limit of time; reads only. */
export async function evaluate(
  config: Config,
  book: RuleBook,
  state: AlertState,
  { moment, folder, pings = PINGS, ...limits }: Looking,
): Promise<Evaluation> {
  const start = performance.now();
  const health = await inspect(config, {
    ...limits,
    sample: 0,
    pings,
    known: state.queues,
    thresholds: book.limits,
    now: () => moment.now,
  });
  const { subjects, lines, moved } = step(config, book, state, health, { moment, folder });
  const took_ms = Math.round(performance.now() - start);
  return { at: moment.now, took_ms, health, subjects, lines, clock_moved: moved };
}

/** The part of an evaluation that asks nobody. */
export function step(
  config: Config,
  book: RuleBook,
  state: AlertState,
  health: HealthResult,
  { moment, folder }: Pick<Looking, 'moment' | 'folder'>,
): { subjects: Subject[]; lines: Line[]; moved: number } {
  const moved = moveTimes(state, moment);
  const subjects = subjectsOf(config, health, state, folder, moment);
  const lines = conclude(state, subjects, book, moment);
  forgetGone(state, new Set(subjects.map(({ name }) => name)), moment);
  Object.assign(state, { at: moment.now, ticks: moment.ticks, boot: moment.boot });
  return { subjects, lines, moved };
}
