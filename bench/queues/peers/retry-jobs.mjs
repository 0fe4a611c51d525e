// BullMQ's own retry of all failed jobs. node retry-jobs.mjs URL QUEUE
import { Queue } from 'bullmq';

const [url, name] = process.argv.slice(2);
const queue = new Queue(name, { connection: { url } });
await queue.waitUntilReady();
const start = performance.now();
await queue.retryJobs();
process.stdout.write(JSON.stringify({ ms: performance.now() - start }));
await queue.close();
