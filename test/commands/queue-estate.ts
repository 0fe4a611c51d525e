import { Redis } from 'ioredis';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { configured } from '../health/estate.js';
import { populate } from '../queues/bullmq.js';
import { failedJobs } from '../queues/failed.js';
import { startPostgres } from '../servers/postgres.js';
import { startRedis } from '../servers/redis.js';

/**
 * Redis with the BullMQ queues `mail` (a job in every state), `bulk` (six failed ones) and `mail` of
 * another prefix; Postgres with the pg-boss queues `report` (one failed job, one that waits) and `mail`.
 */
export async function startEstate() {
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  const connection = { host: '127.0.0.1', port: redis.port };
  const client = new Redis(redis.port);
  const mail = await populate('bullmq', 'mail', connection);
  const bulk = await failedJobs(client, 'bulk', 6, { now: Date.now() - 3_600_000 });
  const other = await populate('bullmq', 'mail', connection, '{app:eu}');
  await Promise.all([mail.close(), bulk.close(), other.close()]);
  const failed = await bossJobs(postgres.url);
  return {
    redis,
    postgres,
    client,
    /** The id of the failed job of pg-boss. */
    failed,
    /** A command line with this estate, a state folder of its own, and `--json` read. */
    operator: (more: { redis?: string; postgres?: string } = {}) =>
      operator(more.redis ?? redis.url, more.postgres ?? postgres.url),
    async stop() {
      client.disconnect();
      await Promise.all([redis.stop(), postgres.stop()]);
    },
  };
}

export function operator(redis: string, postgres: string) {
  const { folder, run } = configured({
    redis: { main: { url: redis } },
    postgres: { base: postgres },
    queues: [
      { engine: 'bullmq', redis: 'main', prefix: 'bull' },
      { engine: 'pgboss', postgres: 'base' },
    ],
  });
  return {
    folder,
    /** On a terminal too without colours. */
    run: (argv: string[], overrides: Parameters<typeof run>[1] = {}) =>
      run(['queue', ...argv, '--no-color'], overrides),
    async json(...argv: string[]) {
      const { code, stdout, stderr } = await run(['queue', ...argv, '--json']);
      const lines = stdout.split('\n').filter(Boolean);
      const documents = lines.map((line) => JSON.parse(line));
      const error = stdout === '' ? JSON.parse(stderr).error : undefined;
      return { code, error, stderr, result: documents.at(-1), items: documents.slice(0, -1) };
    },
  };
}

async function bossJobs(url: string): Promise<string> {
  const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false });
  await boss.start();
  for (const queue of ['report', 'mail']) await boss.createQueue(queue);
  const id = (await boss.send('report', { n: 1 }, { retryLimit: 0 })) as string;
  await boss.fetch('report');
  await boss.fail('report', id, new Error('connect ETIMEDOUT 10.0.0.9:443'));
  await boss.send('report', { n: 2 });
  await boss.stop({ graceful: false, wait: true });
  return id;
}

/** Every row of every table, with the transaction that wrote it. */
export async function rowsOf(url: string): Promise<string> {
  const session = new pg.Client(url);
  await session.connect();
  const { rows } = await session.query(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`);
  const tables = [];
  for (const { name } of rows)
    tables.push([name, (await session.query(`SELECT t.xmin, t.* FROM ${name} t`)).rows]);
  await session.end();
  return JSON.stringify(tables);
}
