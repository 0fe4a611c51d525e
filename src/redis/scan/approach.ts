import type { Channel } from '../channel.js';
import { select } from './databases.js';
import { Guard } from './guard.js';
import type { Pace } from './pace.js';
import { type Plan, planQuestions } from './questions.js';
import { readSlots, readState, type ServerState, type Slots } from './server.js';
import { type ScanOptions, StalePositionError } from './types.js';

/** What is known of a server before its keys are asked for. */
export interface Server {
  state: ServerState;
  plan: Plan;
  guard: Guard;
  /** Milliseconds. */
  roundTrip: number;
  /** Of a cluster's node. */
  slots: Slots | undefined;
}

/**
 * Finds out what the server is and allows, and how far away it is; the connection is in database `current`
 * afterwards. Throws StalePositionError, ReplyError when SCAN is refused.
 */
export async function approach(
  control: Channel,
  options: ScanOptions,
  pace: Pace,
  current: number,
): Promise<Server> {
  const { cluster = false, resume } = options;
  const state = await readState(control, cluster);
  if (resume && resume.run_id !== state.run_id)
    throw new StalePositionError(
      state.run_id
        ? 'the server has been restarted since, or another one has taken its place'
        : 'the server does not tell whether it is still the same process',
    );
  if (options.evicting) state.evicted = undefined;
  if (current !== 0) await select(control, current);
  const plan = await planQuestions(control, options);
  const guard = new Guard(control, pace, state, cluster);
  const roundTrip = await guard.measure(plan.missing);
  if (state.by !== 'INFO')
    plan.missing.push({
      command: 'INFO',
      why: 'not permitted',
      instead: 'whether the server evicts is not watched, and the scan cannot be resumed',
    });
  return { state, plan, guard, roundTrip, slots: cluster ? await readSlots(control) : undefined };
}
