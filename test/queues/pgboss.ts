import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import type { Engine } from '../../src/queues/engine.js';
import type { Job } from '../../src/queues/job.js';
import { openPgboss } from '../../src/queues/pgboss/engine.js';
import type { QueueRef } from '../../src/queues/queue.js';
import { until } from '../servers/wait.js';
// @ts-expect-error: plain JavaScript, shared with the worker process.
import { openBoss } from './workers/boss.mjs';

export type Generation = '9' | '10' | '11' | '12a' | '12';
/** 12a is 12.23, in the middle of the schema's way through 12. */
export const WRITABLE = ['10', '11', '12a', '12'] as const;
export const ALL = ['9', ...WRITABLE] as const;

/** What the tests use of a pg-boss, which is much the same in every version. */
export interface Boss {
  start(): Promise<unknown>;
  stop(options?: object): Promise<void>;
  on(event: 'error', listener: () => void): void;
  createQueue(name: string, options?: object): Promise<void>;
  send(name: string, data?: object, options?: object): Promise<string>;
  insert(...args: unknown[]): Promise<unknown>;
  fetch(name: string, options?: unknown): Promise<unknown>;
  complete(...args: unknown[]): Promise<unknown>;
  fail(...args: unknown[]): Promise<unknown>;
  deleteJob(...args: unknown[]): Promise<unknown>;
  maintain(): Promise<void>;
  supervise(): Promise<void>;
  flow(jobs: object[]): Promise<Record<string, string>>;
}

let schemas = 0;

/** A started pg-boss in a schema of its own, the queues created, and everything to look at it. */
export async function estate(
  url: string,
  version: Generation,
  queues: Record<string, object> = { mail: {} },
  options: object = {},
) {
  schemas += 1;
  const schema = `boss${version}_${schemas}`;
  const settings = {
    connectionString: url,
    schema,
    supervise: false,
    schedule: false,
    noSupervisor: true,
    noScheduling: true,
    max: 2,
    ...options,
  };
  const boss: Boss = await openBoss(version, settings);
  boss.on('error', () => {});
  await boss.start();
  if (version !== '9')
    for (const [name, each] of Object.entries(queues))
      await boss.createQueue(name, { ...each, name });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const engine = openPgboss({ name: 'main', url, address: 'loopback' }, [schema], {
    timeout: 10_000,
  });
  onTestFinished(async () => {
    await engine.close();
    await boss.stop({ graceful: false, wait: false, timeout: 1_000 });
    await client.end();
  });
  const sql = async (text: string, values?: unknown[]) =>
    (await client.query(text.replaceAll('$S', schema), values)).rows;
  return { schema, boss, engine, sql, url, version, ref: (queue = 'mail') => refOf(schema, queue) };
}

export type Estate = Awaited<ReturnType<typeof estate>>;

export const refOf = (scope: string, queue: string): QueueRef => ({
  engine: 'pgboss',
  source: 'main',
  scope,
  queue,
});

/** Jobs that have failed for good, as pg-boss leaves them. */
export async function failed(
  { sql, version }: Estate,
  count: number,
  message = 'connect ETIMEDOUT 10.0.0.7:443',
  { queue = 'mail', age = '1 hour' } = {},
): Promise<string[]> {
  const ended = `now() - interval '${age}'`;
  const at =
    version === '9'
      ? 'createdon, startafter, startedon, completedon, retrylimit, retrycount'
      : 'created_on, start_after, started_on, completed_on, retry_limit, retry_count';
  const policy = version === '9' ? '' : ', policy';
  const rows = await sql(
    `INSERT INTO $S.job (name, state, priority, data, output, ${at}${policy})
     SELECT $1, 'failed', n % 5, jsonb_build_object('n', n, 'user', jsonb_build_object('id', 'u' || n)),
       jsonb_build_object('name', 'Error', 'message', $2::text || ' #' || n, 'stack', 'Error: ' || $2 || E'\\n    at send (mail.js:1)'),
       ${ended} - n * interval '1s' - interval '5s', ${ended} - n * interval '1s' - interval '5s',
       ${ended} - n * interval '1s' - interval '2s', ${ended} - n * interval '1s', 2, 2
       ${version === '9' ? '' : ', (SELECT policy FROM $S.queue WHERE name = $1)'}
     FROM generate_series(1, $3::int) n RETURNING id::text`,
    [queue, message, count],
  );
  return rows.map(({ id }) => id);
}

/** All jobs of a filter, page sizes checked by the caller. */
export async function list(
  engine: Engine,
  ref: QueueRef,
  filter: Parameters<Engine['jobs']>[1],
  bare = false,
): Promise<Job[]> {
  const jobs: Job[] = [];
  for await (const page of engine.jobs(ref, filter, bare)) jobs.push(...page);
  return jobs;
}

/** Everything of a schema that a reader might change: rows with their versions, tables, columns, indexes. */
export async function fingerprint({ sql, schema }: Estate): Promise<string> {
  const hash = createHash('sha256');
  const tables = await sql(
    `SELECT c.oid, c.relname, c.xmin, c.relkind, c.relnatts FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 ORDER BY 1`,
    [schema],
  );
  hash.update(JSON.stringify(tables));
  hash.update(
    JSON.stringify(
      await sql(
        `SELECT a.attrelid, a.attname, a.atttypid, a.xmin FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 ORDER BY 1, 2`,
        [schema],
      ),
    ),
  );
  for (const { relname, relkind } of tables) {
    if (relkind !== 'r') continue;
    const rows = await sql(
      `SELECT t.xmin::text, t.xmax::text, t.ctid::text, t::text AS row FROM $S."${relname}" t ORDER BY 4`,
    );
    hash.update(relname).update(JSON.stringify(rows));
  }
  return hash.digest('hex');
}

/** An application's worker in a process of its own. */
export async function startWorker(
  { url, schema, version }: Estate,
  queue: string,
  behaviour: 'succeed' | 'fail' | 'hang',
  batch = 10,
) {
  const script = new URL('./workers/pgboss.mjs', import.meta.url).pathname;
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    process.execPath,
    [script, url, schema, version, queue, behaviour, String(batch)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  onTestFinished(async () => {
    child.kill('SIGKILL');
  });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await until(() => text.includes('ready\n'), { timeout: 20_000, what: 'the worker to be ready' });
  const lines = (word: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  return {
    started: () => lines('start'),
    done: () => lines('done'),
    release: () => child.stdin.write('go\n'),
  };
}
