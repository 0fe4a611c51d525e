// Retries failed BullMQ jobs by their error the way bull-board does a whole state: all of them are
// loaded and retried under one Promise.all; or, with a page size, page by page as its newest version
// does. node bull-board.mjs URL QUEUE PATTERN [PAGE]
import { Queue } from 'bullmq';

const [url, name, pattern, page] = process.argv.slice(2);
const queue = new Queue(name, { connection: { url } });
await queue.waitUntilReady();
const error = new RegExp(pattern);
const size = Number(page) || Number.POSITIVE_INFINITY;
const start = performance.now();
let retried = 0;
for (let skip = 0; ; ) {
  const last = Number.isFinite(size) ? skip + size - 1 : -1;
  const jobs = await queue.getJobs(['failed'], skip, last);
  const wanted = jobs.filter((job) => error.test(job.failedReason ?? ''));
  await Promise.all(wanted.map((job) => job.retry('failed')));
  retried += wanted.length;
  // What was retried is gone from the list; what was passed over is skipped next time.
  skip += jobs.length - wanted.length;
  if (jobs.length < size) break;
}
process.stdout.write(JSON.stringify({ retried, ms: performance.now() - start }));
await queue.close();
