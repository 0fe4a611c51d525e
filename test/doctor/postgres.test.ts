import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DoctorResult } from '../../src/doctor/result.js';
import { configured } from '../health/estate.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { until } from '../servers/wait.js';

let server: PostgresServer;
let client: pg.Client;
beforeAll(async () => {
  server = await startPostgres();
  client = new pg.Client({ connectionString: server.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await server.stop();
});

async function audit(url: string) {
  const { code, stdout, stderr } = await configured({ postgres: { main: url } }).run([
    'doctor',
    '--json',
  ]);
  if (stdout === '') throw new Error(stderr);
  const [line] = (JSON.parse(stdout) as DoctorResult).servers;
  return {
    code,
    line,
    of: (metric: string) => line?.findings.find((one) => one.metric === metric),
  };
}

describe('doctor on Postgres', () => {
  it('finds a superuser, lost durability and forgotten transactions, and gives lines that work', async () => {
    const { code, of } = await audit(server.url);
    expect(code).toBe(3);
    expect(of('role')?.mend).toContain('ALTER ROLE "postgres" NOSUPERUSER');
    expect(of('fsync')).toMatchObject({ status: 'critical' });
    await client.query('CREATE ROLE app LOGIN');
    const app = server.url.replace('postgres@', 'app@');
    const before = await audit(app);
    expect(before.of('role')).toBeUndefined();
    await client.query(String(before.of('idle_in_transaction')?.mend));
    expect((await audit(app)).of('idle_in_transaction')).toBeUndefined();
  });

  it('finds dead rows of a queue table and autovacuum that is off', async () => {
    await client.query(`CREATE SCHEMA boss;
      CREATE TABLE boss.version (version int, maintained_on timestamptz);
      INSERT INTO boss.version VALUES (24, now() - interval '3 days');
      CREATE TABLE boss.job (id int, state text) WITH (autovacuum_enabled = false);
      INSERT INTO boss.job SELECT n, 'created' FROM generate_series(1, 30000) n;
      DELETE FROM boss.job WHERE id <= 20000`);
    await until(async () => (await audit(server.url)).of('bloat') !== undefined, { every: 100 });
    const { of } = await audit(server.url);
    expect(of('bloat')?.message).toMatch(/^boss\.job: 20,000 dead rows beside 10,000 live ones/);
    expect(of('maintenance')?.message).toContain('for 3d');
    await client.query(String(of('autovacuum')?.mend));
    await client.query(String(of('bloat')?.mend));
    await until(async () => (await audit(server.url)).of('bloat') === undefined, { every: 100 });
    expect((await audit(server.url)).of('autovacuum')).toBeUndefined();
  });
});
