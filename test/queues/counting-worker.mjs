// A BullMQ worker in a process of its own: counts in the hash `ran` how often each job has run.
// node counting-worker.mjs <port> <queue> [bullmq|bullmq5]
import { Redis } from 'ioredis';

const [port, queue, library = 'bullmq'] = process.argv.slice(2);
const { Worker } = await import(library);
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
const redis = new Redis(connection);
const worker = new Worker(
  queue,
  async (job) => {
    await redis.hincrby('ran', job.id, 1);
  },
  { connection, concurrency: 50 },
);
worker.on('error', () => {});
await worker.waitUntilReady();
process.stdout.write('ready\n');
