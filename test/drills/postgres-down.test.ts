import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
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
