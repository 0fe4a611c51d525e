import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configured } from '../health/estate.js';
import { ALL, type Estate, estate, failed, fingerprint, WRITABLE } from '../queues/pgboss.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** The command line on one schema, as its owner or another role. */
function cliOf({ url, schema }: Estate, role = 'postgres') {
  const { run } = configured({
    postgres: { main: url.replace('postgres@', `${role}@`) },
    queues: [{ engine: 'pgboss', postgres: 'main', schema }],
  });
  return async (...argv: string[]) => {
    const { code, stdout, stderr } = await run(['queue', ...argv, '--json']);
    const lines = stdout.split('\n').filter(Boolean);
    const documents = lines.map((line) => JSON.parse(line));
    return { argv, code, stderr, documents, summary: documents.at(-1) };
  };
}

/** A role that may SELECT in the schema and nothing else. */
async function readerOf({ sql, schema }: Estate): Promise<string> {
  const role = `reader_${schema}`;
  await sql(`CREATE ROLE ${role} LOGIN`);
  await sql(`GRANT USAGE ON SCHEMA $S TO ${role}`);
  await sql(`GRANT SELECT ON ALL TABLES IN SCHEMA $S TO ${role}`);
  return role;
}

/** Jobs that failed, that wait, that are delayed, active and completed, in `mail`. */
async function filled(version: (typeof ALL)[number]): Promise<Estate> {
  const its = await estate(postgres.url, version, { dead: {}, mail: { deadLetter: 'dead' } });
  await failed(its, 6);
  await its.boss.send('mail', { state: 'waiting' });
  await its.boss.send('mail', { state: 'delayed' }, { startAfter: 3_600 });
  if (version !== '9') await its.boss.send('dead', { state: 'letter' });
  await its.sql(
    `INSERT INTO $S.job (name, state, ${version === '9' ? 'startedon, completedon' : 'started_on, completed_on'})
     VALUES ('mail', 'completed', now() - interval '3 days', now() - interval '3 days'),
            ('mail', 'active', now(), NULL)`,
  );
  return its;
}

const CHANGES = [
  ['retry', '--queue', 'mail', '--all'],
  ['cancel', '--queue', 'mail', '--state', 'waiting', '--all'],
  ['promote', '--queue', 'mail', '--all'],
  ['rm', '--queue', 'mail', '--state', 'delayed,waiting', '--all'],
  ['clean', 'mail', '--state', 'completed', '--older-than', '1h', '--keep', '0'],
];
const REDRIVE = ['redrive', '--queue', 'dead', '--all'];

/** Everything that reads, and every dry run. */
async function readAll(cli: ReturnType<typeof cliOf>, changes: readonly string[][]) {
  const jobs = await cli('jobs', '--limit', '0');
  const said = [
    jobs,
    await cli('ls', '--discover', '--sample', '10ms'),
    await cli('ls', 'mail'),
    await cli('stats'),
    await cli('jobs'),
    await cli('jobs', 'mail', '--error', '/ETIMEDOUT/', '--data', 'n=1', '--newer-than', '2h'),
    await cli('history'),
  ];
  for (const { id } of jobs.documents.slice(0, -1)) said.push(await cli('show', id, '--full'));
  for (const change of changes) said.push(await cli(...change, '--dry-run'));
  for (const { argv, code, stderr } of said)
    expect({ argv, code, stderr }).toMatchObject({ code: 0 });
  return said.map(({ documents }) => documents);
}

/** What no command may touch: the version row with the transaction that wrote it, tables and columns. */
async function schemaOf({ sql, schema }: Estate) {
  return [
    await sql('SELECT xmin::text, ctid::text, * FROM $S.version'),
    await sql(
      `SELECT table_name, column_name, data_type FROM information_schema.columns
       WHERE table_schema = $1 ORDER BY 1, 2`,
      [schema],
    ),
    await sql(`SELECT indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY 1`, [schema]),
  ];
}

describe.each(ALL)('pg-boss %s', (version) => {
  it('every command reads it without a change, as its owner and as one who may only read', async () => {
    const its = await filled(version);
    const role = await readerOf(its);
    const before = await fingerprint(its);
    const changes = version === '9' ? CHANGES : [...CHANGES, REDRIVE];
    const owner = await readAll(cliOf(its), changes);
    const reader = await readAll(cliOf(its, role), changes);
    expect(await fingerprint(its)).toBe(before);
    expect(owner[0]).toHaveLength(version === '9' ? 11 : 12);
    expect(reader[0]).toEqual(owner[0]);
  });

  it('one who may only read is refused every change with exit 6, and not a row is another one', async () => {
    const its = await filled(version);
    const cli = cliOf(its, await readerOf(its));
    const before = await fingerprint(its);
    for (const change of version === '9' ? CHANGES : [...CHANGES, REDRIVE]) {
      const { argv, code, stderr } = await cli(...change, '--yes');
      expect({ argv, code, stderr }).toMatchObject({
        code: 6,
        stderr: expect.stringMatching(/^\{"error":\{"code":"refused",.*\n$/),
      });
    }
    expect(await fingerprint(its)).toBe(before);
  });
});

describe.each(WRITABLE)('pg-boss %s', (version) => {
  it('after every change its version, its tables and its indexes are as they were', async () => {
    const its = await filled(version);
    const cli = cliOf(its);
    const before = await schemaOf(its);
    for (const change of [...CHANGES, REDRIVE]) {
      const { argv, code, stderr, summary } = await cli(...change, '--yes');
      expect({ argv, code, stderr, counts: summary?.counts }).toMatchObject({
        code: 0,
        counts: { done: expect.toSatisfy((done) => done > 0) },
      });
      expect(await schemaOf(its)).toEqual(before);
    }
    // pg-boss itself goes on with it.
    await its.boss.start();
    expect(await its.boss.send('mail', { after: true })).toEqual(expect.any(String));
  });
});

describe('a schema that is only read', () => {
  it.each([
    ['9', 20, 'pg-boss 9'],
    ['10', 25, 'does not know'],
    ['11', 99, 'does not know'],
    ['12', 47, 'does not know'],
  ] as const)(
    'pg-boss %s at version %i: every change is refused with exit 6, and nothing is another',
    async (version, number, word) => {
      const its = await filled(version);
      await its.sql('UPDATE $S.version SET version = $1', [number]);
      const cli = cliOf(its);
      const before = await fingerprint(its);
      const changes = version === '9' ? CHANGES : [...CHANGES, REDRIVE];
      await readAll(cli, changes);
      for (const change of [...changes, ['pause', 'mail'], ['resume', 'mail']]) {
        const { argv, code, stderr } = await cli(...change, '--yes');
        expect({ argv, code, stderr }).toMatchObject({
          code: 6,
          stderr: expect.stringContaining(word),
        });
      }
      const dry = await cli(...(CHANGES[0] as string[]), '--dry-run');
      expect(dry.summary.queues[0].read_only).toContain(word);
      expect(await fingerprint(its)).toBe(before);
    },
  );
});
