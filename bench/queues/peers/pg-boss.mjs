// Retries failed pg-boss jobs by their error: their ids by SQL, since pg-boss 10 lists no jobs, then
// boss.retry in chunks of 1,000. node pg-boss.mjs URL QUEUE PATTERN
import pg from 'pg';
import PgBoss from 'pg-boss';

const [url, name, pattern] = process.argv.slice(2);
const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false });
boss.on('error', () => {});
await boss.start();
const client = new pg.Client({ connectionString: url });
await client.connect();
const start = performance.now();
const { rows } = await client.query(
  "SELECT id FROM pgboss.job WHERE name = $1 AND state = 'failed' AND output->>'message' ~ $2",
  [name, pattern],
);
const ids = rows.map(({ id }) => id);
for (let at = 0; at < ids.length; at += 1_000) await boss.retry(name, ids.slice(at, at + 1_000));
process.stdout.write(JSON.stringify({ retried: ids.length, ms: performance.now() - start }));
await client.end();
await boss.stop({ graceful: false });
