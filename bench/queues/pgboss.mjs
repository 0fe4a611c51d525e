// Retrying failed pg-boss jobs by their error, against boss.retry by id in chunks of 1,000. Whole
// processes in turn on one Postgres.
// node bench/queues/pgboss.mjs [runs] [jobs that match] [ours|peers]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { load, spread, table } from '../lib/figures.mjs';
import { bin, run } from '../lib/run.mjs';
import { startPostgres } from '../servers.mjs';

const runs = Number(process.argv[2] ?? 5);
const matching = Number(process.argv[3] ?? 100_000);
const only = process.argv[4];
const QUEUE = 'extraction';
const peer = new URL('./peers/pg-boss.mjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
// Vacuuming on its own would fall on one of them and not on the other.
const server = await startPostgres('shared_buffers=256MB', 'max_wal_size=4GB', 'autovacuum=off');
const config = join(folder, 'cache-ops.yaml');
writeFileSync(
  config,
  `postgres:\n  main: ${server.url}\nqueues:\n  - { engine: pgboss, postgres: main }\n`,
);
const boss = new PgBoss({ connectionString: server.url, supervise: false, schedule: false });
boss.on('error', () => {});
await boss.start();
await boss.createQueue(QUEUE);
await boss.stop({ graceful: false });
const client = new pg.Client({ connectionString: server.url });
await client.connect();

/** Twice as many failed jobs as are to match, made as pg-boss 10 leaves them; nothing else. */
async function seed() {
  const { rows } = await client.query('SELECT partition_name FROM pgboss.queue WHERE name = $1', [
    QUEUE,
  ]);
  await client.query(`TRUNCATE pgboss.${rows[0].partition_name}`);
  await client.query(
    `INSERT INTO pgboss.job (name, data, state, retry_limit, retry_count, policy, output,
       created_on, start_after, started_on, completed_on)
     SELECT $1, jsonb_build_object('userId', 'user-' || i % 1000, 'paperId', i), 'failed', 2, 2, 'standard',
       jsonb_build_object('name', 'Error', 'message', CASE i % 2 WHEN 0
         THEN 'connect ETIMEDOUT 10.0.4.' || i % 250 || ':443'
         ELSE '429 Too Many Requests: quota of model ' || i % 7 || ' is used up' END,
         'stack', repeat('    at frame (file:///srv/app/node_modules/client/connection.js:1:41)', 8)),
       at, at, at, at
     FROM generate_series(1, $2::int) AS i, LATERAL (SELECT now() - interval '1 hour' + i * interval '1 ms' AS at) AS t`,
    [QUEUE, matching * 2],
  );
  await client.query('VACUUM ANALYZE pgboss.job');
  await client.query('CHECKPOINT');
}

const WAYS = {
  'cache-ops': {
    args: [
      ...[bin, 'queue', 'retry', '--queue', QUEUE, '--error', '/ETIMEDOUT/'],
      ...['--yes', '--config', config],
    ],
    env: { XDG_STATE_HOME: folder },
  },
  'boss.retry in chunks of 1,000': { args: [peer, server.url, QUEUE, 'ETIMEDOUT'] },
};

async function once({ args, env }) {
  await seed();
  const { ms, mb } = await run(args, { env, cwd: folder });
  const { rows } = await client.query(
    `SELECT count(*) FILTER (WHERE state = 'failed')::int AS failed,
       count(*) FILTER (WHERE state IN ('retry', 'created'))::int AS waiting,
       count(*) FILTER (WHERE state IN ('retry', 'created') AND completed_on IS NOT NULL)::int AS lost
     FROM pgboss.job WHERE name = $1`,
    [QUEUE],
  );
  const [{ failed, waiting, lost }] = rows;
  if (failed !== matching || waiting !== matching) {
    throw new Error(`${args.join(' ')}: ${waiting} waiting and ${failed} failed`);
  }
  return { ms, mb, lost };
}

const results = Object.fromEntries(Object.keys(WAYS).map((name) => [name, []]));
const before = load();
for (let index = 0; index < runs; index += 1) {
  for (const [name, way] of Object.entries(WAYS)) {
    if (only && (only === 'ours') !== (name === 'cache-ops')) continue;
    results[name].push(await once(way));
  }
}
const pick = (name, field) => results[name].map((result) => result[field]);
const names = Object.keys(WAYS).filter((name) => results[name].length > 0);
process.stdout.write(
  `${matching} of ${matching * 2} failed jobs match, ${runs} runs, ${before} before, ${load()} after\n`,
);
table(
  ['retry', 'ms', 'peak memory, MB', 'would be lost to the next maintenance'],
  names.map((name) => [
    name,
    spread(pick(name, 'ms')),
    spread(pick(name, 'mb')),
    pick(name, 'lost')[0],
  ]),
);
if (!only) {
  const [ours, theirs] = names;
  const ratios = pick(theirs, 'ms').map((ms, index) => ms / pick(ours, 'ms')[index]);
  table(
    ['ratio of the pairs', 'x', 'bar'],
    [['boss.retry / cache-ops', spread(ratios, 2), 'at least 1']],
  );
}
await client.end();
await server.stop();
rmSync(folder, { recursive: true, force: true });
process.exit();
