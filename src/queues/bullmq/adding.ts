import type { Limits } from '../../redis/channel.js';
import { openConnections } from '../../redis/connections.js';
import type { RedisTarget } from '../../redis/target.js';
import type { JobAdder, NewJob } from '../adding.js';
import { footprint } from './footprint.js';
import { key } from './keys.js';
import { ADD, TAKE_BACK } from './lua/add.js';
import { openNodes } from './nodes.js';
import { evaluate, script } from './scripts.js';

const SCRIPTS = { add: script(ADD), takeBack: script(TAKE_BACK) };

/** The server runs so many through before it lets another client in: about a millisecond. */
const CHUNK = 50;

/** Adds jobs to BullMQ queues under a prefix, with the estate's defaults for attempts and keeping. */
export function bullmqAdder(target: RedisTarget, prefix: string, limits: Limits): JobAdder {
  const nodes = openNodes(openConnections(target, limits));
  /** Runs `work` over the jobs of each queue, some at a time; the answers in the order of the jobs. */
  async function each<T>(
    jobs: readonly NewJob[],
    work: (queue: string, some: readonly NewJob[]) => Promise<T[]>,
  ): Promise<T[]> {
    const answers: T[] = [];
    const byQueue = new Map<string, number[]>();
    for (const [index, { queue }] of jobs.entries())
      byQueue.set(queue, [...(byQueue.get(queue) ?? []), index]);
    for (const [queue, places] of byQueue) {
      for (let from = 0; from < places.length; from += CHUNK) {
        const some = places.slice(from, from + CHUNK);
        const found = await work(
          queue,
          some.map((index) => jobs[index] as NewJob),
        );
        for (const [at, index] of some.entries()) answers[index] = found[at] as T;
      }
    }
    return answers;
  }
  const run = async (which: keyof typeof SCRIPTS, queue: string, args: (string | number)[]) => {
    const channel = await nodes.of({ scope: prefix, queue });
    const all = [key(prefix, queue, ''), ...args];
    return (await evaluate(channel, SCRIPTS[which], [key(prefix, queue, 'meta')], all)) as number[];
  };
  const idOf: JobAdder['idOf'] = ({ id }) => (/^\d+$/.test(id) ? `memory-${id}` : id);
  return {
    idOf,
    has: (jobs) =>
      each(jobs, async (queue, some) => {
        const channel = await nodes.of({ scope: prefix, queue });
        const replies = await channel.pipeline(
          some.map((job) => ['EXISTS', key(prefix, queue, idOf(job))]),
        );
        return replies.map((reply) => reply === 1);
      }),
    add: (jobs) =>
      each(jobs, async (queue, some) => {
        const args = some.flatMap((job) => {
          const { name, data, priority, delay } = job;
          const id = idOf(job);
          return [id, name, data, optionsOf(job, id), priority, delay];
        });
        const replies = await run('add', queue, [Date.now(), ...args]);
        return replies.map((reply) => (reply === 1 ? ('added' as const) : ('there' as const)));
      }),
    takeBack: (jobs) =>
      each(jobs, async (queue, some) => {
        const replies = await run('takeBack', queue, some.map(idOf));
        return replies.map((reply) =>
          reply === 1
            ? ('removed' as const)
            : reply === 0
              ? ('started' as const)
              : ('gone' as const),
        );
      }),
    footprint(job) {
      const id = idOf(job);
      return footprint({ ...job, id }, key(prefix, job.queue, id), optionsOf(job, id));
    },
    async close() {
      nodes.close();
    },
  };
}

function optionsOf({ priority, delay }: NewJob, jobId: string): string {
  return JSON.stringify({
    jobId,
    attempts: 3,
    backoff: { type: 'exponential', delay: 2_000 },
    removeOnComplete: { count: 100 },
    ...(priority > 0 && { priority }),
    ...(delay > 0 && { delay }),
  });
}
