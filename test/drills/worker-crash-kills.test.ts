import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identify } from '../../src/state/identity.js';
import { until } from '../servers/wait.js';
import { summary } from './estate.js';
import { type Servers, startServers, startWorkers, stopServers, type Workers } from './workers.js';

const DRILL = ['drill', 'worker-crash', 'worker-1', '--yes', '--timeout', '30s'];
/** It has nobody who would take its batch up: the worker stays away for as long. */
const HELD = [...DRILL, '--hold', '5s', '--max-degrade', '20s'];
let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers && stopServers(servers));

describe.concurrent('drill worker-crash, when it is killed itself', { timeout: 120_000 }, () => {
  it.each([
    'a canary is written',
    'the watchdog is ready',
    'waiting until worker-1 is in the middle',
    'kill -9 at worker:worker-1',
    'the worker is killed',
    'starting the worker again',
    'the canary is intact',
  ])(
    'brings the worker back after kill -9 at "%s", and its own task ends by itself',
    async (moment) => {
      await withWorker(async (estate) => {
        const run = estate.spawn([...DRILL, '--max-degrade', '500ms', '--hold', '500ms']);
        await run.says(moment);
        run.kill('SIGKILL');
        await run.ended;
        await until(async () => estate.pid(1) > 0 && (await closed(estate)), {
          timeout: 20_000,
          every: 100,
        });
        const left = () =>
          estate.query<{ status: string; items: number }>(
            `SELECT status, (SELECT count(DISTINCT item_index)::int FROM asl_schema.asl_screening_results r
             WHERE r.task_id = t.id) AS items FROM asl_schema.asl_screening_tasks t`,
          );
        const [there] = await estate.query<{ there: boolean }>(
          "SELECT to_regclass('asl_schema.asl_screening_tasks') IS NOT NULL AS there",
        );
        if (!there?.there) return;
        await until(async () => (await left()).every(({ status }) => status === 'completed'), {
          timeout: 20_000,
          every: 200,
        });
        for (const task of await left()) expect(task.items).toBe(40);
      });
    },
  );

  it('brings the worker back when the watchdog is killed', async () => {
    await withWorker(async (estate) => {
      const run = estate.spawn(HELD);
      await run.says('the worker is killed');
      process.kill(estate.watchdog(), 'SIGKILL');
      expect(await run.ended).toBe(3);
      expect(summary(run.output)).toMatchObject({
        restored: true,
        reasons: ['the watchdog is gone'],
      });
      expect(estate.pid(1)).toBeGreaterThan(0);
    });
  });

  it('says so when both are killed, and drill restore brings the worker back', async () => {
    await withWorker(async (estate) => {
      const run = estate.spawn(HELD);
      await run.says('the worker is killed');
      run.kill('SIGSTOP');
      const watchdog = estate.watchdog();
      process.kill(watchdog, 'SIGKILL');
      run.kill('SIGKILL');
      await run.ended;
      await until(() => identify(watchdog) === undefined);
      const status = await estate.run(['drill', 'status']);
      expect(status.code).toBe(7);
      expect(status.stderr).toContain('worker-crash has broken worker-1');
      expect(estate.pid(1)).toBe(0);
      expect((await estate.run(['drill', 'restore'])).code).toBe(0);
      expect(estate.pid(1)).toBeGreaterThan(0);
      expect((await estate.run(['drill', 'status'])).code).toBe(0);
    });
  });
});

async function closed(estate: Workers): Promise<boolean> {
  return (await estate.open()).every(({ state }) => state === 'abandoned');
}

async function withWorker(work: (estate: Workers) => Promise<void>): Promise<void> {
  const estate = await startWorkers(servers, { workers: 1 });
  try {
    await work(estate);
  } finally {
    await estate.stop();
  }
}
