import { setTimeout as sleep } from 'node:timers/promises';
import PgBoss from 'pg-boss';
import type { Consumer, OnError } from './consumer.js';
import { fillings, type JobData, work } from './job.js';

const QUEUE = 'medical-extraction';
/** How often it looks for jobs, in ms. */
const POLL = 200;
const BATCH = 20;
/** pg-boss refuses a day. A job that hangs is to be seen hanging. */
const EXPIRE_SECONDS = 23 * 3_600;

/**
 * A pg-boss worker, as an application has one; fills its queue first when there is nothing in it.
 * It fetches for itself: `boss.work` would wait for a whole batch, and a job that hangs never ends.
 */
export async function startPgboss(url: string, onError: OnError): Promise<Consumer> {
  const boss = new PgBoss({ connectionString: url, max: 4 });
  // Without a listener an error (Postgres is away) would end the process.
  boss.on('error', onError);
  await boss.start();
  if (!(await boss.getQueue(QUEUE))) await fill(boss);
  const inHand = new Set<JobData>();
  void consume(boss, inHand, onError);
  return {
    async settled() {
      const delayed = fillings().filter(({ delay }) => delay !== undefined).length;
      const waiting = (await boss.getQueueSize(QUEUE)) - delayed;
      return waiting <= 0 && [...inHand].every(({ outcome }) => outcome === 'hang');
    },
  };
}

async function fill(boss: PgBoss): Promise<void> {
  await boss.createQueue(QUEUE, { name: QUEUE, retryLimit: 0, expireInSeconds: EXPIRE_SECONDS });
  await boss.insert(
    fillings().map(({ data, delay, priority }) => ({
      name: QUEUE,
      data,
      ...(delay !== undefined && { startAfter: new Date(Date.now() + delay).toISOString() }),
      ...(priority !== undefined && { priority }),
    })),
  );
}

async function consume(boss: PgBoss, inHand: Set<JobData>, onError: OnError): Promise<never> {
  const handle = async ({ id, data, retryCount }: PgBoss.JobWithMetadata<JobData>) => {
    inHand.add(data);
    try {
      const ended = await work(data, retryCount > 0).then(
        (result) => () => boss.complete(QUEUE, id, result),
        (error: Error) => () => boss.fail(QUEUE, id, error),
      );
      await ended();
    } catch (error) {
      // Postgres is away: the job stays active until it expires, as with any worker.
      onError(error);
    } finally {
      inHand.delete(data);
    }
  };
  for (;;) {
    try {
      const jobs = await boss.fetch<JobData>(QUEUE, { batchSize: BATCH, includeMetadata: true });
      for (const job of jobs) void handle(job);
      if (jobs.length === BATCH) continue;
    } catch (error) {
      onError(error);
    }
    await sleep(POLL);
  }
}
