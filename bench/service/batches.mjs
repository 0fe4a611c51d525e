// Split tasks: the time of a checkpoint with one worker and with ten, Postgres syncing to disk; and 1,000 items
// that wait 20 ms each, with one worker and with ten. node bench/service/batches.mjs [runs]
import { setTimeout as sleep } from 'node:timers/promises';
import { load, quantile, spread, table } from '../lib/figures.mjs';
import { startPostgres, startRedis } from '../servers.mjs';

const runs = Number(process.argv[2] ?? 3);
const { BatchRunner, BatchStore, BullmqQueue, createPool, MemoryQueue, PgbossQueue } = await import(
  '../../dist/library.js'
);
const redis = await startRedis();
const postgres = await startPostgres('fsync=on');
const pool = createPool({ url: postgres.url, max: 30 });

/** Notes how long each checkpoint takes, in ms. */
const times = [];
class Timed extends BatchStore {
  async checkpoint(...given) {
    const start = performance.now();
    await super.checkpoint(...given);
    times.push(performance.now() - start);
  }
}
const store = new Timed(pool);

const engines = {
  memory: () => new MemoryQueue(),
  bullmq: (name) =>
    new BullmqQueue({
      address: { host: '127.0.0.1', port: redis.port, db: 0 },
      name,
      keyPrefix: 'bench:',
      onError() {},
    }),
  pgboss: (name) => new PgbossQueue({ pool, name, onError() {}, pollMs: 50 }),
};
let number = 0;

/** Seconds that a task of 1,000 items takes. */
async function task(openQueue, concurrency, itemMs) {
  const kind = `bench-${number++}`;
  const runner = new BatchRunner({
    store,
    openQueue,
    concurrency,
    worker: 'bench',
    work: async () => {
      await sleep(itemMs);
      return { status: 'success' };
    },
  });
  runner.start();
  const items = Array.from({ length: 1_000 }, (_, paper) => ({ paper }));
  const start = performance.now();
  const id = await runner.submit({ user: 'bench', kind, items, batchSize: 100 });
  while ((await store.get('bench', id)).status !== 'completed') await sleep(10);
  const seconds = (performance.now() - start) / 1_000;
  await runner.close(0);
  return seconds;
}

await task(engines.memory, 10, 0); // Warm.
const rows = [];
for (const [name, openQueue] of Object.entries(engines)) {
  const one = await task(openQueue, 1, 20);
  const ten = [];
  times.length = 0;
  for (let run = 0; run < runs; run += 1) ten.push(await task(openQueue, 10, 20));
  rows.push([
    name,
    one.toFixed(2),
    spread(ten, 2),
    `${(one / quantile(ten, 0.5)).toFixed(1)}x`,
    quantile(times, 0.5).toFixed(2),
    quantile(times, 0.99).toFixed(2),
  ]);
}
table(
  ['1,000 items of 20 ms', '1 worker s', '10 workers s', 'faster', 'checkpoint p50 ms', 'p99 ms'],
  rows,
);
process.stdout.write(`\n${load()}\n`);
await pool.end();
await postgres.stop();
await redis.stop();
