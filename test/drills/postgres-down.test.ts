import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { until } from '../servers/wait.js';
import { type Estate, type EstateOptions, startEstate, summary } from './estate.js';

const DRILL = ['drill', 'postgres-down', '--yes', '--hold', '600ms'];
let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres?.stop());

const yaml = (control: string) => [
  'postgres:',
  `  jobs: { url: "${postgres.url}"${control && `, control: ${control}`} }`,
];
const byProcess = () =>
  yaml(`{ process: { pidFile: "${postgres.pidFile}", start: "${postgres.startCommand}" } }`);

it('passes applications that do without it, and brings it back with its rows', async () => {
  await query('CREATE TABLE kept AS SELECT 42 AS n');
  const { pid } = postgres;
  await withEstate({ yaml: byProcess() }, async (estate) => {
    const { code, stdout, stderr } = await estate.run(DRILL);
    expect(stderr).toBe('');
    const report = summary(stdout);
    expect(report).toMatchObject({ verdict: 'passed', reasons: [], restored_by: 'drill' });
    expect(report.facts).toEqual({ postgres_restarted: 'yes' });
    expect(report.outage_ms).toBeGreaterThan(500);
    for (const application of report.applications)
      expect(application).toMatchObject({ transitions: 0, failed: 0, degrade_ms: null });
    expect(code).toBe(0);
  });
  expect(postgres.pid).not.toBe(pid);
  expect(await query('SELECT n FROM kept')).toEqual([{ n: 42 }]);
});

it.each([
  'the watchdog is ready',
  'stopping Postgres',
  'Postgres is stopped',
  'starting Postgres again',
])('restores it after kill -9 of the command line at "%s"', async (moment) => {
  await withEstate({ yaml: byProcess() }, async (estate) => {
    const run = estate.spawn(DRILL);
    await run.says(moment);
    run.kill('SIGKILL');
    await run.ended;
    await until(async () => (await open(estate)).length === 0, { every: 50 });
    expect(await query('SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });
});

it('restores it by drill restore when the watchdog is killed too', async () => {
  await withEstate({ yaml: byProcess() }, async (estate) => {
    const run = estate.spawn([...DRILL, '--hold', '5s']);
    await run.says('Postgres is stopped');
    process.kill(estate.watchdog(), 'SIGKILL');
    run.kill('SIGKILL');
    await run.ended;
    await expect(query('SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
    expect((await estate.run(['drill', 'restore'])).code).toBe(0);
    expect(await query('SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });
});

it('fails an application that falls with it', async () => {
  await withEstate(
    { yaml: byProcess(), double: 'leaning', doubleOn: postgres.port },
    async (estate) => {
      const { code, stdout } = await estate.run([...DRILL, '--max-recover', '2s']);
      const { reasons, restored } = summary(stdout);
      expect(reasons.join('\n')).toMatch(/requests failed/);
      expect(restored).toBe(true);
      expect(code).toBe(3);
    },
  );
});

it('refuses what it could not bring back', async () => {
  for (const [control, message] of [
    ['', /no way to stop and start jobs is configured[\s\S]*postgres.jobs.control/],
    ['{ connection: true }', /not stopped over its own connection/],
    ['{ process: { start: "true" } }', /add control.process.pidFile/],
  ] as const) {
    await withEstate({ yaml: yaml(control) }, async (estate) => {
      const { code, stderr } = await estate.run(DRILL);
      expect(stderr).toMatch(message);
      expect(code).toBe(6);
    });
  }
});

const open = async (estate: Estate) =>
  JSON.parse((await estate.run(['drill', 'status', '--json'])).stdout).open;

async function query(text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: postgres.url });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(text)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

async function withEstate(
  options: EstateOptions,
  work: (estate: Estate) => Promise<void>,
): Promise<void> {
  const estate = await startEstate(options);
  try {
    await work(estate);
  } finally {
    await estate.stop();
  }
}
