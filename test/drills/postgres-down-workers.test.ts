import { afterAll, beforeAll, expect, it } from 'vitest';
import { summary } from './estate.js';
import { type Servers, startServers, startWorkers, stopServers } from './workers.js';

const DRILL = ['drill', 'postgres-down', '--yes', '--hold', '1500ms', '--timeout', '30s'];
let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers && stopServers(servers));

it('workers live through a stop of Postgres and finish what they were at, each item once', async () => {
  const estate = await startWorkers(servers, { postgresControl: true });
  try {
    const pids = [estate.pid(1), estate.pid(2)];
    const { code, stdout, stderr } = await estate.run(DRILL);
    expect(stderr).toBe('');
    expect(summary(stdout)).toMatchObject({
      verdict: 'passed',
      reasons: [],
      facts: {
        postgres_restarted: 'yes',
        workers: 2,
        workers_died: 0,
        items_once: 80,
        items_twice: 0,
        items_missing: 0,
      },
    });
    expect(code).toBe(0);
    expect([estate.pid(1), estate.pid(2)]).toEqual(pids);
    expect(await estate.query('SELECT id FROM asl_schema.asl_screening_tasks')).toEqual([]);
  } finally {
    await estate.stop();
  }
});

it('fails where a worker falls with it', async () => {
  const estate = await startWorkers(servers, { postgresControl: true });
  try {
    const run = estate.spawn([...DRILL, '--max-recover', '20s']);
    await run.says('Postgres is stopped');
    // A double of a worker that does not stand it.
    process.kill(estate.pid(2), 'SIGKILL');
    expect(await run.ended).toBe(3);
    expect(summary(run.output).reasons.join('\n')).toMatch(/worker-2 has not lived through it/);
  } finally {
    await estate.stop();
  }
});
