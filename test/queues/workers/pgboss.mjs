// A worker of an application: node pgboss.mjs URL SCHEMA VERSION QUEUE succeed|fail|hang [BATCH]
// Prints `ready`, then a line for each job: `start ID`, and `done ID` when its handler has ended.
import { setTimeout as sleep } from 'node:timers/promises';
import { openBoss } from './boss.mjs';

const [url, schema, version, queue, behaviour, batch = '10'] = process.argv.slice(2);
const boss = await openBoss(version, {
  connectionString: url,
  schema,
  supervise: false,
  schedule: false,
});
boss.on('error', () => {});
await boss.start();

async function handle(given) {
  // Up to pg-boss 9 a handler gets a job, since 10 a list.
  for (const { id } of [given].flat()) {
    process.stdout.write(`start ${id}\n`);
    if (behaviour === 'fail') throw new Error('connect ETIMEDOUT 10.0.0.7:443');
    if (behaviour === 'hang') {
      // Until it is told on stdin, or for good.
      await Promise.race([sleep(60_000), new Promise((end) => process.stdin.once('data', end))]);
    }
    process.stdout.write(`done ${id}\n`);
  }
}

const pace =
  version === '9'
    ? { newJobCheckInterval: 100 }
    : { pollingIntervalSeconds: 0.5, batchSize: Number(batch) };
await boss.work(queue, pace, handle);
process.stdout.write('ready\n');
