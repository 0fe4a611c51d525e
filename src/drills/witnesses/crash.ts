import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openPostgres } from '../../postgres/client.js';
import { type BatchMoment, batchAt } from '../../tasks/moment.js';
import { awaitMiddle } from './middle.js';
import { DrillTask } from './own-task.js';
import type { CallWitness, Testimony } from './witness.js';

/** Milliseconds between two looks at the tables. */
const LOOK = 100;

/**
 * Sees from the tables of a split task what becomes of the batch of a worker that is killed: where it
 * was, who takes it up, and at which item. What an application says of itself is not asked.
 */
export const callCrash: CallWitness = async ({ work }, { timeout }) => {
  const [worker] = work?.workers ?? [];
  if (!work || !worker) throw new Error('no worker to look at');
  const session = openPostgres(work.postgres, { timeout });
  const task = new DrillTask(work, session, timeout);
  let crash: Crash | undefined;
  let follower: Promise<void> | undefined;
  let over = false;

  return {
    async ready({ timeout: limit, signal }, tell) {
      const id = await task.begin(signal);
      tell(`waiting until ${worker.name} is in the middle of a batch of task ${id}`);
      const { moment, item } = await awaitMiddle(session, id, worker, { limit, signal });
      tell(
        `${worker.name} is at item ${item} of batch ${moment.batch}, its checkpoint is ${moment.index}`,
      );
      await task.noteJobs();
      const seen = new Crash(moment, item);
      crash = seen;
      follower = (async () => {
        while (!over) {
          const look = session.read((query) => batchAt(query, id, moment.batch));
          const now = await look.catch(() => undefined);
          if (now) seen.note(now);
          await sleep(LOOK);
        }
      })();
    },
    sees: () => work.all || crash?.goesOn === true,
    async check({ signal }) {
      const seen = crash;
      if (!seen) return { problems: [], says: 'nothing was killed' };
      const proved = await task.prove(signal);
      over = true;
      await follower;
      const last = await session.read((query) => batchAt(query, task.id, seen.batch));
      const told = seen.tell(last, worker.name, work.maxDegrade);
      return {
        problems: [...told.problems, ...proved.problems],
        says: `${told.says}; ${proved.says}`,
        facts: { ...told.facts, ...proved.facts },
      };
    },
    async remove() {
      over = true;
      await follower;
      await task.remove();
      await session.close();
    },
  };
};

/** What becomes of one batch after the kill of its worker. */
class Crash {
  readonly #killed = performance.now();
  /** As the worker has left it: a checkpoint may have been on its way when it was killed. */
  #left: BatchMoment;
  #taken: { at: number; by: string | null } | undefined;
  goesOn = false;

  /** `item`: about where the worker was, by its pace. */
  constructor(
    left: BatchMoment,
    private readonly item: number,
  ) {
    this.#left = left;
  }

  get batch(): number {
    return this.#left.batch;
  }

  note(now: BatchMoment): void {
    if (now.turn === this.#left.turn && !this.#taken) {
      this.#left = now;
      return;
    }
    this.#taken ??= { at: performance.now(), by: now.owner };
    this.goesOn ||= now.index !== this.#left.index || now.state !== 'processing';
  }

  /** Judges by the rows: those that were written after the kill say where it went on. */
  tell(last: BatchMoment | undefined, worker: string, limit: number): Testimony {
    const { batch, index, saved, state } = this.#left;
    const after = this.#taken ? Math.round(this.#taken.at - this.#killed) : null;
    const fresh = [...(last?.saved ?? [])].flatMap(([row, item]) => (saved.has(row) ? [] : [item]));
    const wentOn = fresh.length > 0 ? Math.min(...fresh) : null;
    const known = new Set(saved.values());
    const redone = new Set(fresh.filter((item) => known.has(item))).size;
    const problems = [
      ...(state === 'completed'
        ? [`${worker} has finished batch ${batch}: it was not killed`]
        : []),
      ...(after === null && state !== 'completed' ? [`nobody has taken batch ${batch} up`] : []),
      ...(after !== null && after > limit
        ? [`batch ${batch} was taken up after ${after} ms, more than ${limit} ms`]
        : []),
      ...(wentOn !== null && wentOn !== index
        ? [`batch ${batch} went on at item ${wentOn}, and not at its checkpoint ${index}`]
        : []),
      ...(redone > 0
        ? [`${redone} items of batch ${batch} whose results were saved were done again`]
        : []),
    ];
    return {
      problems,
      says: `${this.#taken?.by ?? 'nobody'} took batch ${batch} up after ${after} ms and went on at item ${wentOn}, its checkpoint`,
      facts: {
        batch,
        killed_at_item: Math.max(this.item, index),
        checkpoint: index,
        went_on_at_item: wentOn,
        taken_up_after_ms: after,
        taken_up_by: this.#taken?.by ?? null,
        items_redone: redone,
      },
    };
  }
}
