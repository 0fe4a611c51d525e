import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { until } from '../servers/wait.js';
import { estate, failed, list, startWorker, WRITABLE } from './pgboss.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const RETRY = { type: 'retry' } as const;

describe.each(WRITABLE)('workers of pg-boss %s in processes of their own', (version) => {
  it('run what was retried by its error, each once; the others stay failed', async () => {
    const its = await estate(postgres.url, version);
    const { engine, ref, sql } = its;
    const meant = await failed(its, 25);
    await failed(its, 20, 'bad address');
    for await (const page of engine.jobs(ref(), { states: ['failed'], error: /ETIMEDOUT/ }))
      await engine.apply(ref(), RETRY, page);
    const worker = await startWorker(its, 'mail', 'succeed');
    await until(async () => (await list(engine, ref(), { states: ['completed'] })).length === 25);
    expect(worker.started().toSorted()).toEqual(meant.toSorted());
    expect(await sql(`SELECT count(*)::int FROM $S.job WHERE state = 'failed'`)).toEqual([
      { count: 20 },
    ]);
  });

  it('let a retried job fail anew, which an operator who saw the first failure does not retry', async () => {
    const its = await estate(postgres.url, version);
    const { engine, ref } = its;
    await failed(its, 1, 'first');
    const [seen] = await list(engine, ref(), { states: ['failed'] });
    if (!seen) throw new Error('a failed job');
    await engine.apply(ref(), RETRY, [seen]);
    await startWorker(its, 'mail', 'fail');
    await until(
      async () => (await engine.show(ref(), seen.id))?.error?.includes('10.0.0.7') === true,
    );
    expect(await engine.show(ref(), seen.id)).toMatchObject({ state: 'failed', attempts_made: 4 });
    expect(await engine.apply(ref(), RETRY, [seen])).toMatchObject([
      { result: 'raced', detail: 'it has failed anew' },
    ]);
  });

  it('may finish what was cancelled under them: it stays cancelled, and is not retried meanwhile', async () => {
    const its = await estate(postgres.url, version);
    const { engine, ref } = its;
    const worker = await startWorker(its, 'mail', 'hang');
    const id = await its.boss.send('mail', {});
    await until(() => worker.started().includes(id));
    expect(await engine.show(ref(), id)).toMatchObject({
      state: 'active',
      lock: { token: 'attempt 1' },
    });
    const chosen = [{ id, seen: '' }];
    expect(await engine.apply(ref(), RETRY, chosen)).toMatchObject([{ result: 'locked' }]);
    expect(await engine.apply(ref(), { type: 'cancel' }, chosen)).toMatchObject([
      { result: 'fenced' },
    ]);
    expect(await engine.apply(ref(), RETRY, chosen)).toMatchObject([{ result: 'locked' }]);
    worker.release();
    await until(() => worker.done().includes(id));
    // The worker has said so to pg-boss once it takes another.
    const next = await its.boss.send('mail', {});
    await until(() => worker.started().includes(next));
    expect((await engine.show(ref(), id))?.state).toBe('cancelled');
  });
});

it('a worker of pg-boss 9 and a reader do not disturb one another', async () => {
  const its = await estate(postgres.url, '9');
  const worker = await startWorker(its, 'mail', 'succeed');
  const id = await its.boss.send('mail', { to: 'a' });
  await until(() => worker.done().includes(id));
  await until(async () => (await its.engine.show(its.ref(), id))?.state === 'completed');
  expect((await its.engine.stats(its.ref(), 10)).run_ms?.count).toBe(1);
});
