import { performance } from 'node:perf_hooks';
import type { PostgresSession } from '../../postgres/client.js';
import { type BatchMoment, batchesOf, isOpen } from '../../tasks/moment.js';
import { eventually } from '../eventually.js';
import type { Worker } from '../work.js';

/** Milliseconds between two looks. */
const LOOK = 25;

/** How a batch gets on: since when it is at its checkpoint, how many were seen, and what the step to it took. */
interface Pace {
  index: number;
  since: number;
  seen: number;
  step?: { items: number; ms: number };
}

/** Of the way to the next checkpoint. */
const HALF = 0.5;
/** So many checkpoints gone by without such a moment: looks are slow, and any other moment will do. */
const ENOUGH = 2;

/**
 * Waits until a worker is half-way between two checkpoints of a batch: the items since the last one are
 * lost with it, and must be done again. `item` is about where it is, by its pace. Throws when the task
 * ends, or `limit` ms pass, without such a moment.
 */
export async function awaitMiddle(
  session: PostgresSession,
  task: string,
  { name, owner }: Worker,
  { limit, signal }: { limit: number; signal?: AbortSignal | undefined },
): Promise<{ moment: BatchMoment; item: number }> {
  const paces = new Map<number, Pace>();
  const look = async () => {
    const batches = await session.read(async (query) => {
      const found = await batchesOf(query, task, owner);
      if (found.length > 0 || (await isOpen(query, task))) return found;
      throw new Error(
        `task ${task} is over, and ${name} was never found in the middle of a batch: give tasks.items more of them, or ones that take longer`,
      );
    });
    for (const moment of batches) {
      const pace = paceOf(paces.get(moment.batch), moment.index);
      paces.set(moment.batch, pace);
      const share = pace.step ? (performance.now() - pace.since) / pace.step.ms : 0;
      const fits = share >= HALF || pace.seen >= ENOUGH;
      if (pace.step && fits && moment.index < moment.items) {
        const ahead = Math.floor(pace.step.items * Math.min(share, 0.99));
        return { moment, item: moment.index + ahead };
      }
    }
    return undefined;
  };
  const found = await eventually(look, { limit, every: LOOK, signal });
  if (found) return found;
  throw new Error(
    `${name} was not in the middle of a batch of task ${task} within ${limit} ms (batches must name it as owner: ${owner})`,
  );
}

function paceOf(before: Pace | undefined, index: number): Pace {
  const now = performance.now();
  if (!before || index < before.index) return { index, since: now, seen: 0 };
  if (index === before.index) return before;
  const step = { items: index - before.index, ms: now - before.since };
  return { index, since: now, seen: before.seen + 1, step };
}
