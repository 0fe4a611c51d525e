import { expect, it, onTestFinished } from 'vitest';
import * as pgboss from '../queues/pgboss.js';
import { startPostgres } from '../servers/postgres.js';
import { until } from '../servers/wait.js';
import { expectEachOnce, JOBS, together } from './queue-two-operators.js';

it.each(['10', '12'] as const)(
  '10,000 jobs of pg-boss %s, workers run: each moves once and runs once, the other sees raced',
  async (version) => {
    const server = await startPostgres();
    onTestFinished(() => server.stop());
    const its = await pgboss.estate(server.url, version);
    await pgboss.failed(its, JOBS);
    const workers = [
      await pgboss.startWorker(its, 'mail', 'succeed', 1_000),
      await pgboss.startWorker(its, 'mail', 'succeed', 1_000),
    ];
    await its.sql('BEGIN');
    await its.sql('LOCK TABLE $S.job IN SHARE ROW EXCLUSIVE MODE');
    const config = {
      postgres: { main: its.url },
      queues: [{ engine: 'pgboss', postgres: 'main', schema: its.schema }],
    };
    expectEachOnce(await together(config, () => its.sql('COMMIT')));
    const ran = () => workers.flatMap((worker) => worker.done());
    await until(() => ran().length >= JOBS, { timeout: 40_000 });
    expect([ran().length, new Set(ran()).size]).toEqual([JOBS, JOBS]);
  },
);
