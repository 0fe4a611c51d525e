import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { BatchStore } from '../../src/service/batches/store.js';
import { createPool } from '../../src/service/connection/postgres.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { serviceFor } from '../service/harness.js';

/** Of each engine. */
const RUNS = Number(process.env.RUNS ?? 100);
const WORKERS = 3;
const BATCHES = 10;
const ITEMS = 100;
const program = new URL('../../dist/service.js', import.meta.url).pathname;

let postgres: PostgresServer;
let redis: RedisServer;
let pool: pg.Pool;
let store: BatchStore;
beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  pool = createPool({ url: postgres.url });
  store = new BatchStore(pool);
});
afterAll(async () => {
  await pool.end();
  await Promise.all([postgres.stop(), redis.stop()]);
});

/**
 * Real instances of the service, one of which is killed every now and then, and started again. One that has
 * not begun yet is spared: on a slow machine none would ever come to work.
 */
function crowd(queue: string) {
  const ready = new Set<ChildProcess>();
  const started = (name: string) => {
    const child = spawn(process.execPath, [program], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {
        ...{ DATABASE_URL: postgres.url, REDIS_URL: redis.url, QUEUE_TYPE: queue },
        ...{ WORKER_CONCURRENCY: '2', BATCH_LEASE_MS: '600', INSTANCE_ID: name },
      },
    });
    child.stdout.once('data', () => ready.add(child));
    return child;
  };
  const names = Array.from({ length: WORKERS }, (_, at) => `worker-${at}`);
  const workers: ChildProcess[] = names.map(started);
  let stopped = false;
  let kills = 0;
  const killing = (async () => {
    while (!stopped) {
      await sleep(150 + Math.random() * 700);
      const at = Math.floor(Math.random() * WORKERS);
      const worker = workers[at] as ChildProcess;
      if (!ready.delete(worker)) continue;
      worker.kill('SIGKILL');
      kills += 1;
      workers[at] = started(names[at] as string);
    }
  })();
  onTestFinished(async () => {
    stopped = true;
    await killing;
    for (const worker of workers) worker.kill('SIGKILL');
  });
  return { kills: () => kills };
}

describe.each(['redis', 'pgboss'])('workers killed at random (%s)', (queue) => {
  it(`every item is in the results exactly once, ${RUNS} of ${RUNS} runs`, async () => {
    const { kills } = crowd(queue);
    let good = 0;
    let taken = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const items = Array.from({ length: BATCHES * ITEMS }, (_, paper) => ({ paper, takes_ms: 3 }));
      const task = await store.create({
        user: 'alice',
        kind: `screen-${queue}`,
        items,
        batchSize: ITEMS,
      });
      const row = async () => (await store.get('alice', task)) ?? {};
      await until(async () => ['completed', 'failed'].includes(String((await row()).status)), {
        timeout: 180_000,
        every: 50,
      });
      const { rows } = await pool.query(
        `SELECT item_index, result->>'paper' AS paper FROM asl_schema.asl_screening_results
         WHERE task_id = $1 ORDER BY item_index`,
        [task],
      );
      expect(rows.map(({ item_index, paper }) => `${item_index} ${paper}`)).toEqual(
        items.map(({ paper }) => `${paper} ${paper}`),
      );
      const count = BATCHES * ITEMS;
      expect(await row()).toMatchObject({
        ...{ status: 'completed', processed_items: count, success_items: count },
        ...{ processed_batches: BATCHES, failed_batches: 0 },
      });
      const { rows: claims } = await pool.query(
        'SELECT sum(attempts)::int AS attempts FROM asl_schema.asl_screening_batches WHERE task_id = $1',
        [task],
      );
      taken += claims[0].attempts - BATCHES;
      good += 1;
    }
    process.stdout.write(
      `${queue}: ${good} of ${RUNS} runs, ${kills()} kills, ${taken} batches taken over\n`,
    );
    expect(good).toBe(RUNS);
    expect(taken).toBeGreaterThan(0);
  });
});

it('two users, 10,000 random reads of each other: nothing is found', async () => {
  const { call } = await serviceFor({
    ...{ REDIS_URL: redis.url, DATABASE_URL: postgres.url },
    ...{ REDIS_TASK_STATUS_ENABLED: '1', REDIS_CHAT_SESSION_ENABLED: '1' },
  });
  const users = ['alice', 'bob'];
  const names = Array.from({ length: 50 }, (_, n) => n);
  const screenings: string[] = [];
  for (const user of users)
    for (const n of names) {
      const headers = { 'X-User-Id': user };
      await call('PUT', `/api/tasks/${user}-${n}`, { status: 'pending' }, headers);
      await call(
        'POST',
        `/api/sessions/search/${user}-${n}`,
        { role: 'user', content: 'x' },
        headers,
      );
      const body = { kind: 'isolation', count: 1 };
      screenings.push((await call('POST', '/api/screening', body, headers)).body.task);
    }
  const statuses = new Map<number, number>();
  const read = async () => {
    const side = Math.random() < 0.5 ? 0 : 1;
    const headers = { 'X-User-Id': users[side] as string };
    const other = users[1 - side] as string;
    const n = Math.floor(Math.random() * names.length);
    const paths = [
      `/api/tasks/${other}-${n}`,
      `/api/sessions/search/${other}-${n}`,
      `/api/screening/${screenings[(1 - side) * names.length + n]}`,
    ];
    const path = paths[Math.floor(Math.random() * paths.length)] as string;
    const { status } = await call('GET', path, undefined, headers);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  const client = async () => {
    for (let at = 0; at < 500; at += 1) await read();
  };
  await Promise.all(Array.from({ length: 20 }, client));
  expect([...statuses]).toEqual([[404, 10_000]]);
});

it('a lock holder whose process was stopped, and goes on later, is refused by its fence', async () => {
  const script = `
    import { createRequire } from 'node:module';
    import { pathToFileURL } from 'node:url';
    const { RedisLink, Locks, FencedStore } = await import(pathToFileURL(process.env.LIBRARY));
    const link = new RedisLink({ address: { host: '127.0.0.1', port: Number(process.env.PORT), db: 0 }, probeKey: 'probe' });
    await link.start();
    const lock = await new Locks(link.client, { prefix: 'lock:', owner: process.env.NAME }).take('report', 300);
    process.stdout.write(JSON.stringify(lock ?? null) + '\\n');
    await new Promise((resolve) => process.stdin.once('data', resolve));
    const store = new FencedStore(link.client, 'guarded:');
    const end = await store.set('report', process.env.NAME, lock, 60000).then(() => 'written', (error) => error.name);
    process.stdout.write(end + '\\n');
    process.exit(0);`;
  const holder = (name: string) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        LIBRARY: program.replace('service.js', 'library.js'),
        PORT: `${redis.port}`,
        NAME: name,
      },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    return {
      child,
      said: () => said,
      lines: (count: number) => until(() => said.split('\n').length > count),
    };
  };
  const paused = holder('paused');
  await paused.lines(1);
  paused.child.kill('SIGSTOP');
  await sleep(400);
  const next = holder('next');
  await next.lines(1);
  expect(JSON.parse(next.said()).fence).toBe(2);
  next.child.stdin.write('go\n');
  await next.lines(2);
  expect(next.said()).toContain('written');
  paused.child.stdin.write('go\n');
  paused.child.kill('SIGCONT');
  await paused.lines(2);
  expect(paused.said()).toContain('StaleFenceError');
});
