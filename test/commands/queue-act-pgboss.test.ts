import pg from 'pg';
import PgBoss from 'pg-boss';
import { PgBoss as PgBoss12 } from 'pg-boss12';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { configured } from '../health/estate.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';

let postgres: PostgresServer;
let client: pg.Client;
beforeAll(async () => {
  postgres = await startPostgres();
  client = new pg.Client(postgres.url);
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await postgres.stop();
});

const QUIET = { supervise: false, schedule: false, migrate: true };

async function boss10(schema: string): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: postgres.url, schema, ...QUIET });
  boss.on('error', () => {});
  await boss.start();
  onTestFinished(() => boss.stop({ graceful: false, close: true }));
  return boss;
}

function site(schema: string) {
  const { run } = configured({
    postgres: { main: postgres.url },
    queues: [{ engine: 'pgboss', postgres: 'main', schema }],
  });
  return async (...argv: string[]) => {
    const { code, stdout, stderr } = await run(['queue', ...argv, '--json']);
    const lines = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    return { code, stderr, summary: lines.at(-1) };
  };
}

/** Jobs that have failed for good: of every second one the message is ETIMEDOUT. */
async function fail(boss: PgBoss, queue: string, count: number): Promise<void> {
  const jobs = Array.from({ length: count }, (_, number) => ({
    name: queue,
    data: { number },
    retryLimit: 0,
    priority: number % 3,
  }));
  await boss.insert(jobs);
  const taken = await boss.fetch<{ number: number }>(queue, { batchSize: count });
  for (const even of [true, false]) {
    const ids = taken.filter(({ data }) => (data.number % 2 === 0) === even).map(({ id }) => id);
    // Its types know the output of one job only.
    await boss.fail(queue, ids as never, { message: even ? 'connect ETIMEDOUT' : 'bad address' });
  }
}

async function states(schema: string, queue: string): Promise<Record<string, number>> {
  const { rows } = await client.query(
    `SELECT state::text, count(*)::int FROM ${schema}.job WHERE name = $1 GROUP BY 1`,
    [queue],
  );
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

async function version(schema: string): Promise<number> {
  return (await client.query(`SELECT version FROM ${schema}.version`)).rows[0].version;
}

it('pg-boss 10: retry by error, cancel, promote and rm, and the version stays', async () => {
  const boss = await boss10('ten');
  await boss.createQueue('mail');
  await fail(boss, 'mail', 2_400);
  const act = site('ten');
  const before = await version('ten');
  const retried = await act('retry', '--queue', 'mail', '--error', '/ETIMEDOUT/', '--yes');
  expect([retried.code, retried.summary.counts.done]).toEqual([0, 1_200]);
  expect(await states('ten', 'mail')).toEqual({ failed: 1_200, retry: 1_200 });
  expect(retried.summary.groups[0].detail).toMatch(/^waiting/);

  const cancelled = await act('cancel', '--queue', 'mail', '--data', 'number=0', '--yes');
  expect(cancelled.summary.counts).toMatchObject({ done: 1 });
  await boss.send('mail', { late: true }, { startAfter: 3_600 });
  expect((await act('promote', '--queue', 'mail', '--all', '--yes')).summary.counts.done).toBe(1);
  const removed = await act('rm', '--queue', 'mail', '--error', 'bad address', '--yes');
  expect(removed.summary.counts.done).toBe(1_200);
  expect(await states('ten', 'mail')).toEqual({ created: 1, retry: 1_199, cancelled: 1 });
  expect(await version('ten')).toBe(before);
  const [taken] = await boss.fetch<object>('mail', { batchSize: 1 });
  expect(taken?.data).toBeDefined();
});

it('pg-boss 10: of a stately pair one is retried, the other a conflict, the rest unaffected', async () => {
  const boss = await boss10('stately');
  await boss.createQueue('pair', { name: 'pair', policy: 'stately' });
  await boss.createQueue('mail');
  for (const message of ['first', 'second']) {
    await boss.send('pair', { message }, { retryLimit: 0 });
    const [job] = await boss.fetch('pair');
    await boss.fail('pair', job?.id ?? '', { message });
  }
  await fail(boss, 'mail', 10);
  const { code, summary } = await site('stately')('retry', '--all', '--yes');
  expect([code, summary.counts.done, summary.counts.conflict]).toEqual([4, 11, 1]);
});

it('pg-boss has no pause: refused, and nothing is changed', async () => {
  const boss = await boss10('paused');
  await boss.createQueue('mail');
  for (const flag of ['--yes', '--dry-run']) {
    const { code, stderr } = await site('paused')('pause', 'mail', flag);
    expect([code, JSON.parse(stderr).error.code]).toEqual([6, 'refused']);
  }
});

it('a schema version that is not known is refused before anything is changed', async () => {
  const boss = await boss10('future');
  await boss.createQueue('mail');
  await fail(boss, 'mail', 4);
  await client.query('UPDATE future.version SET version = 99');
  const act = site('future');
  const { code, stderr } = await act('retry', '--queue', 'mail', '--all', '--yes');
  expect([code, stderr.includes('99')]).toEqual([6, true]);
  expect(await states('future', 'mail')).toEqual({ failed: 4 });
  const dry = await act('retry', '--queue', 'mail', '--all', '--dry-run');
  expect(dry.summary.queues[0].read_only).toContain('99');
});

it('pg-boss 12: dead letters go back to where they came from', async () => {
  const boss = new PgBoss12({ connectionString: postgres.url, schema: 'twelve', ...QUIET });
  boss.on('error', () => {});
  await boss.start();
  onTestFinished(() => boss.stop({ graceful: false, close: true }));
  await boss.createQueue('dead');
  await boss.createQueue('mail', { deadLetter: 'dead' });
  for (let number = 0; number < 3; number += 1)
    await boss.send('mail', { number }, { retryLimit: 0 });
  for (const { id } of await boss.fetch('mail', { batchSize: 3 })) {
    await boss.fail('mail', id, { message: 'no' });
  }
  const act = site('twelve');
  const dry = await act('redrive', '--queue', 'dead', '--all', '--dry-run');
  expect(dry.summary).toMatchObject({ jobs: 3, queues: [{ queue: 'dead', read_only: null }] });
  const { code, summary } = await act('redrive', '--queue', 'dead', '--all', '--yes');
  expect([code, summary.counts.done]).toEqual([0, 3]);
  expect((await boss.fetch('mail', { batchSize: 5 })).length).toBe(3);
});
