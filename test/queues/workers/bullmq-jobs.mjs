// A worker of BullMQ 5 or 6 in a process of its own: node bullmq-jobs.mjs <bullmq|bullmq5> <queue> <url> <prefix> [cluster]
// Says `ready`, then a line of JSON for each thing that happens. By a job's data it runs to the end
// (`ms`), waits for its abortion (`listens`), fails (`fail`) or both.
import { Cluster, Redis } from 'ioredis';

const [library, name, url, prefix, cluster] = process.argv.slice(2);
const { Worker, UnrecoverableError } = await import(library);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const options = { maxRetriesPerRequest: null };
const connection = cluster
  ? new Cluster([url], { redisOptions: options })
  : new Redis(url, options);

const worker = new Worker(
  name,
  async (job, _token, signal) => {
    const { ms = 0, fail, listens } = job.data ?? {};
    say({ event: 'began', id: job.id, priority: job.priority });
    if (ms > 0) {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, ms);
        if (!listens) return;
        signal?.addEventListener('abort', () => {
          clearTimeout(timer);
          say({ event: 'aborted', id: job.id });
          reject(new UnrecoverableError('aborted'));
        });
      });
    }
    if (fail) throw new Error(fail);
    say({ event: 'ran', id: job.id });
    return 'ok';
  },
  {
    connection,
    prefix,
    concurrency: 20,
    lockDuration: 2000,
    stalledInterval: 1000,
    drainDelay: 1,
  },
);
worker.on('lockRenewalFailed', (ids) => {
  for (const id of ids) worker.cancelJob?.(id);
});
worker.on('error', (error) => say({ event: 'error', message: error.message }));
worker.on('completed', (job) => say({ event: 'completed', id: job.id }));
await worker.waitUntilReady();
say({ event: 'ready' });
process.on('SIGTERM', () => process.exit(0));
