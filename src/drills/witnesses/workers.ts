import { setTimeout as sleep } from 'node:timers/promises';
import { openPostgres } from '../../postgres/client.js';
import { batchesOf } from '../../tasks/moment.js';
import { eventually } from '../eventually.js';
import { DrillTask } from './own-task.js';
import type { CallWitness } from './witness.js';

/** Milliseconds between two looks. */
const LOOK = 250;

/** Sees that workers live through a stop of their Postgres, and finish then what they were at. */
export const callWorkers: CallWitness = async ({ work }, { timeout }) => {
  if (!work)
    return {
      async check() {
        return { problems: [], says: 'no workers are configured to look at' };
      },
      async remove() {},
    };
  const { workers } = work;
  const session = openPostgres(work.postgres, { timeout });
  const task = new DrillTask(work, session, timeout);
  const died = new Set<string>();
  let watching: Promise<void> | undefined;
  let over = false;
  const stop = async () => {
    over = true;
    await watching;
  };
  return {
    async ready({ timeout: limit, signal }, tell) {
      const id = await task.begin(signal);
      const look = () =>
        session.read(async (query) => {
          for (const { name, owner } of workers) {
            const [batch] = await batchesOf(query, id, owner);
            if (batch && batch.index > 0) return { name, batch };
          }
          return undefined;
        });
      const found = await eventually(look, { limit, every: LOOK, signal });
      if (!found)
        throw new Error(`no worker has come to a checkpoint of task ${id} within ${limit} ms`);
      await task.noteJobs();
      tell(`${found.name} is at a batch of task ${id}, its checkpoint is ${found.batch.index}`);
      watching = (async () => {
        while (!over) {
          const there = await Promise.all(workers.map((worker) => worker.alive()));
          workers.forEach(({ name }, at) => {
            if (!there[at]) died.add(name);
          });
          await sleep(LOOK);
        }
      })();
    },
    async check({ signal }) {
      if (!watching) return { problems: [], says: 'no worker was at work' };
      const proved = await task.prove(signal);
      await stop();
      return {
        problems: [
          ...[...died].map((name) => `${name} has not lived through it`),
          ...proved.problems,
        ],
        says: `${workers.length} worker(s) have lived through it; ${proved.says}`,
        facts: { workers: workers.length, workers_died: died.size, ...proved.facts },
      };
    },
    async remove() {
      await stop();
      await task.remove();
      await session.close();
    },
  };
};
