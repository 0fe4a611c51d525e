import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { actingOn } from '../commands/queue-acting.js';
import { startBin } from '../e2e/bin.js';
import { configured } from '../health/estate.js';
import { buildCli } from '../queues/built.js';
import { failedJobs } from '../queues/failed.js';
import { startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

const JOBS = Number(process.env.JOBS ?? 100_000);
const KILLS = Number(process.env.BULK_KILLS ?? 5);
const WORKER = new URL('../queues/counting-worker.mjs', import.meta.url).pathname;
const FILTER = ['--queue', 'mail', '--error', '/ETIMEDOUT/'];

let server: RedisServer;
let redis: Redis;
let cli: Awaited<ReturnType<typeof buildCli>>;
beforeAll(async () => {
  [server, cli] = await Promise.all([startRedis(), buildCli()]);
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  cli.remove();
  await server.stop();
});
beforeEach(() => redis.flushall());

function figure(line: string) {
  process.stdout.write(`${line}\n`);
  if (process.env.FIGURES) appendFileSync(process.env.FIGURES, `${line}\n`);
}

async function fill() {
  const options = (number: number) => ({ priority: (number % 5) + 1 });
  const queue = await failedJobs(redis, 'mail', JOBS, { options });
  await queue.close();
}

function start({ folder }: { folder: string }, argv: string[]) {
  const env = { XDG_STATE_HOME: join(folder, 'state'), HOME: folder };
  const child = startBin(['queue', ...argv], { bin: cli.bin, env, cwd: folder });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** The largest resident size a process has had, in MB. */
function peakOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Exactly the jobs with an even name wait, each once, with the priority they had. */
async function expectHalf() {
  const waiting = await redis.zrange('bull:mail:prioritized', '0', '-1');
  const even = Array.from({ length: JOBS / 2 }, (_, at) => `job-${at * 2}`);
  expect(waiting.toSorted()).toEqual(even.toSorted());
  const failed = await redis.zrange('bull:mail:failed', '0', '-1');
  expect(failed).toHaveLength(JOBS / 2);
  for (const id of ['job-0', 'job-42', `job-${JOBS - 2}`]) {
    const priority = (Number(id.slice(4)) % 5) + 1;
    expect(await redis.hget(`bull:mail:${id}`, 'priority')).toBe(String(priority));
    const score = Number(await redis.zscore('bull:mail:prioritized', id));
    expect(Math.floor(score / 0x1_0000_0000)).toBe(priority);
  }
}

async function expectAllRun() {
  const worker = spawn(process.execPath, [WORKER, String(server.port), 'mail'], {
    stdio: 'ignore',
  });
  onTestFinished(() => void worker.kill('SIGKILL'));
  await until(async () => (await redis.hlen('ran')) === JOBS / 2, { timeout: 600_000, every: 200 });
  expect(new Set(await redis.hvals('ran'))).toEqual(new Set(['1']));
  worker.kill('SIGKILL');
}

it(`retries exactly the half of ${JOBS} failed jobs that matches; all of it then runs`, async () => {
  await fill();
  const site = actingOn(server);
  const began = performance.now();
  const child = start(site, ['retry', ...FILTER, '--yes']);
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid));
  }, 20);
  const { code, stdout } = await child.ended;
  clearInterval(timer);
  const took = performance.now() - began;
  figure(`retry by filter: ${Math.round(took)} ms, ${Math.round(peak)} MB at most`);
  expect({ code, stdout }).toMatchObject({ code: 0 });
  expect(peak).toBeLessThan(200);
  await expectHalf();
  await expectAllRun();
});

it(`after ${KILLS} kills at random moments every id has moved exactly once`, async () => {
  for (let round = 0; round < KILLS; round += 1) {
    await redis.flushall();
    await fill();
    const site = actingOn(server);
    const first = start(site, ['retry', ...FILTER, '--yes']);
    const moved = (JOBS / 2) * (0.2 + Math.random() * 0.4);
    await until(async () => (await redis.zcard('bull:mail:failed')) < JOBS - moved, { every: 1 });
    first.kill('SIGKILL');
    await first.ended;
    const before = JOBS - (await redis.zcard('bull:mail:failed'));
    const { ended } = start(site, ['retry', '--resume', '--json']);
    const { code, stdout } = await ended;
    const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    figure(`killed after ${before} of ${JOBS / 2}: ${summary.in_doubt} in doubt`);
    const { done, raced } = summary.counts;
    // Two chunks are under way at a time.
    expect([done + raced, raced, raced <= 2_000]).toEqual([JOBS / 2, summary.in_doubt, true]);
    expect(code).toBe(raced > 0 ? 4 : 0);
    await expectHalf();
  }
  await expectAllRun();
});

it(`pg-boss: after ${KILLS} kills at random moments every id has moved exactly once`, async () => {
  const postgres = await startPostgres();
  onTestFinished(() => postgres.stop());
  const boss = new PgBoss({ connectionString: postgres.url, supervise: false, schedule: false });
  boss.on('error', () => {});
  await boss.start();
  onTestFinished(() => boss.stop({ graceful: false }));
  const client = new pg.Client(postgres.url);
  await client.connect();
  onTestFinished(() => client.end());
  await boss.createQueue('mail');
  await client.query(
    `INSERT INTO pgboss.job (name, data, priority) SELECT 'mail', jsonb_build_object('n', n), n % 5
     FROM generate_series(1, $1::int) n`,
    [JOBS],
  );
  const moved = async () => {
    const { rows } = await client.query(
      "SELECT count(*)::int AS moved FROM pgboss.job WHERE state = 'retry'",
    );
    return Number(rows[0].moved);
  };
  const site = configured({
    postgres: { main: postgres.url },
    queues: [{ engine: 'pgboss', postgres: 'main' }],
  });
  for (let round = 0; round < KILLS; round += 1) {
    await client.query(
      `UPDATE pgboss.job SET state = 'failed', completed_on = now(), started_on = now(),
       output = jsonb_build_object('message', CASE (data->>'n')::int % 2 WHEN 0 THEN 'ETIMEDOUT' ELSE 'bad' END)`,
    );
    await client.query('VACUUM ANALYZE pgboss.job');
    const first = start(site, ['retry', ...FILTER, '--yes']);
    const enough = (JOBS / 2) * (0.2 + Math.random() * 0.4);
    await until(async () => (await moved()) > enough, { timeout: 120_000, every: 1 });
    first.kill('SIGKILL');
    await first.ended;
    const { ended } = start(site, ['retry', '--resume', '--json']);
    const { code, stdout } = await ended;
    const { counts, in_doubt } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    figure(`pg-boss, killed after more than ${Math.round(enough)}: ${in_doubt} in doubt`);
    expect([counts.done + counts.raced, counts.raced]).toEqual([JOBS / 2, in_doubt]);
    // Two chunks are under way at a time.
    expect(in_doubt).toBeLessThanOrEqual(2_000);
    expect(code).toBe(in_doubt > 0 ? 4 : 0);
    expect(await moved()).toBe(JOBS / 2);
    const wrong = await client.query(
      "SELECT 1 FROM pgboss.job WHERE (state = 'retry') <> ((data->>'n')::int % 2 = 0) OR priority <> (data->>'n')::int % 5",
    );
    expect(wrong.rowCount).toBe(0);
  }
});
