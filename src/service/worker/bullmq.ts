import { Queue, Worker } from 'bullmq';
import type { Consumer, OnError } from './consumer.js';
import { fillings, type JobData, work } from './job.js';

const QUEUE = 'title-screening';

/** A BullMQ worker, as an application has one; fills its queue first when there is nothing in it. */
export async function startBullmq(url: string, onError: OnError): Promise<Consumer> {
  const connection = { url, retryStrategy: (attempt: number) => Math.min(50 * attempt, 500) };
  const queue = new Queue<JobData>(QUEUE, { connection });
  queue.on('error', onError);
  const worker = new Worker<JobData>(
    QUEUE,
    (job) => work(job.data, (job.attemptsStarted ?? 1) > 1),
    { connection: { ...connection, maxRetriesPerRequest: null }, concurrency: 10 },
  );
  // Without a listener an error (Redis is stopped) would end the process.
  worker.on('error', onError);
  if (!(await isUsed(queue))) {
    await queue.addBulk(
      fillings().map(({ data, ...opts }) => ({ name: 'screen', data, opts: { ...opts } })),
    );
  }
  return {
    async settled() {
      const { active = 0, ...counts } = await queue.getJobCounts('active', 'wait', 'prioritized');
      const hanging = fillings().filter(({ data }) => data.outcome === 'hang').length;
      return active <= hanging && Object.values(counts).every((count) => count === 0);
    },
  };
}

async function isUsed(queue: Queue<JobData>): Promise<boolean> {
  return Object.values(await queue.getJobCounts()).some((count) => count > 0);
}
