import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Job } from '../../src/queues/job.js';
import { openPgboss } from '../../src/queues/pgboss/engine.js';
import { errorOf } from '../../src/queues/pgboss/rows.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { until } from '../servers/wait.js';
import { ALL, type Estate, estate, failed, fingerprint, list, refOf } from './pgboss.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const RETRY = { type: 'retry' } as const;

/** Every read there is, on every job. */
async function readAll(engine: Estate['engine']) {
  const queues = await engine.discover();
  const snapshots = await engine.snapshots(await engine.existing(queues));
  const shown = [];
  for (const ref of queues) {
    await engine.stats(ref, 100);
    await engine.readOnlyBecause(ref);
    const jobs = await list(engine, ref, { states: [], error: /./ });
    await list(engine, ref, { states: [], error: /ETIMEDOUT/ }, true);
    for (const { id, seen } of jobs.slice(0, 3)) {
      await engine.holding(queues, id);
      shown.push(await engine.show(ref, id));
      for (const type of ['retry', 'cancel', 'promote', 'redrive'] as const)
        await engine.preview(ref, { type }, [{ id, seen }]);
      await engine.preview(ref, { type: 'remove', cascade: true }, [{ id, seen }]);
    }
  }
  return { queues, snapshots, shown };
}

describe.each(ALL)('reading pg-boss %s', (version) => {
  it('changes nothing, also as a user that may only SELECT', async () => {
    const its = await estate(postgres.url, version, { mail: {}, other: {} });
    await failed(its, 5);
    await its.boss.send('mail', { to: 'a' });
    await its.sql(`CREATE ROLE reader_${its.schema} LOGIN`);
    await its.sql(`GRANT USAGE ON SCHEMA $S TO reader_${its.schema}`);
    await its.sql(`GRANT SELECT ON ALL TABLES IN SCHEMA $S TO reader_${its.schema}`);
    const url = its.url.replace('postgres@', `reader_${its.schema}@`);
    const reader = openPgboss({ name: 'main', url, address: 'loopback' }, undefined, {
      timeout: 10_000,
    });
    onTestFinished(() => reader.close());

    const before = await fingerprint(its);
    const owner = await readAll(its.engine);
    const guest = await readAll(reader);
    expect(await fingerprint(its)).toBe(before);

    const names = version === '9' ? ['mail'] : ['mail', 'other'];
    expect(owner.queues.map(({ queue }) => queue)).toEqual(names);
    expect(guest.queues).toEqual(owner.queues);
    expect(owner.snapshots[0]).toMatchObject({ failed: 5, waiting: 1, paused: null });
    expect(owner.shown[0]).toMatchObject({
      state: 'failed',
      error: 'connect ETIMEDOUT 10.0.0.7:443 #1',
      attempts_made: 3,
      data: { n: 1, user: { id: 'u1' } },
      stack: ['Error: connect ETIMEDOUT 10.0.0.7:443', '    at send (mail.js:1)'],
    });
  });

  it('lists by error, data, age and ids, newest first, in pages', async () => {
    const its = await estate(postgres.url, version);
    const { engine, ref } = its;
    await failed(its, 2_300);
    await failed(its, 3, 'bad address', { age: '3 days' });
    const sizes: number[] = [];
    const ids: string[] = [];
    let last = Number.POSITIVE_INFINITY;
    for await (const page of engine.jobs(ref(), { states: ['failed'] })) {
      sizes.push(page.length);
      for (const job of page) {
        expect(job.finished_at).toBeLessThanOrEqual(last);
        last = job.finished_at as number;
        ids.push(job.id);
      }
    }
    expect([ids.length, new Set(ids).size]).toEqual([2_303, 2_303]);
    expect(Math.max(...sizes)).toBe(1_000);

    const count = async (filter: object) =>
      (await list(engine, ref(), { states: [], ...filter })).length;
    expect(await count({ error: /bad address/ })).toBe(3);
    expect(await count({ data: [{ path: ['n'], value: '3' }] })).toBe(2);
    expect(await count({ data: [{ path: ['user', 'id'], value: 'u7' }] })).toBe(1);
    expect(await count({ before: Date.now() - 86_400_000 })).toBe(3);
    expect(await count({ after: Date.now() - 86_400_000 })).toBe(2_300);
    expect(await count({ ids: [ids[0]?.toUpperCase(), 'no-uuid'] })).toBe(1);
    expect(await count({ name: 'mail' })).toBe(0);
    expect(await count({ states: ['waiting', 'completed'] })).toBe(0);
  });

  it('chooses by error what it lists by error, whatever a failure has left', async () => {
    const its = await estate(postgres.url, version);
    const left = [
      { message: 'connect ETIMEDOUT 10.0.0.7:443' },
      { message: 'ETIMEDOUT' },
      { message: `${'x'.repeat(500)} ETIMEDOUT` },
      { message: 'nothing of the kind', stack: 'ETIMEDOUT' },
      { message: '100 % "ETIMEDOUT" \\ _' },
      { message: 7, cause: 'ETIMEDOUT' },
      { message: { text: 'ETIMEDOUT' } },
      { message: null, code: 'ETIMEDOUT' },
      { message: 8 },
      { value: 'ETIMEDOUT' },
      { value: { message: 'ETIMEDOUT' } },
      'ETIMEDOUT as it was thrown',
      ['ETIMEDOUT'],
      { message: 'etimedout' },
      { message: 'ÉTIMEDOUT' },
      null,
    ];
    const ids = await failed(its, left.length);
    for (const [index, output] of left.entries())
      await its.sql('UPDATE $S.job SET output = $2::jsonb WHERE id = $1', [
        ids[index],
        output === null ? null : JSON.stringify(output),
      ]);
    const patterns = [
      /ETIMEDOUT/,
      /^ETIMEDOUT$/,
      /etimedout/i,
      /ETIMEDOUT|nothing/,
      /"ETIMEDOUT" \\/,
    ];
    for (const error of [...patterns, /10\.0\.0\.\d+/, /[78]/, /%/]) {
      const meant = ids.filter((_, index) => error.test(errorOf(left[index]) ?? '\n'));
      expect(meant.length).toBeGreaterThan(0);
      const filter = { states: ['failed' as const], error };
      const listed = await list(its.engine, its.ref(), filter);
      expect(listed.map(({ id }) => id).toSorted()).toEqual(meant.toSorted());
      const chosen = await list(its.engine, its.ref(), filter, true);
      const told = (jobs: Job[]) =>
        jobs
          .map(({ id, state, seen, error: message, finished_at }) =>
            JSON.stringify([id, state, seen, message, finished_at]),
          )
          .toSorted();
      expect(told(chosen)).toEqual(told(listed));
    }
  });

  it('chooses jobs of every state with the times they are listed with', async () => {
    const its = await estate(postgres.url, version);
    await failed(its, 3);
    await its.boss.send('mail', { n: 1 });
    await its.boss.send('mail', { n: 2 }, { startAfter: 3_600 });
    const filter = { states: [] };
    const listed = await list(its.engine, its.ref(), filter);
    const chosen = await list(its.engine, its.ref(), filter, true);
    const times = (jobs: Job[]) =>
      jobs
        .map(({ id, seen, finished_at, created_at }) =>
          JSON.stringify([id, seen, finished_at ?? created_at]),
        )
        .toSorted();
    expect(listed).toHaveLength(5);
    expect(times(chosen)).toEqual(times(listed));
  });

  it('leaves no transaction behind when a caller has seen enough, or is told to stop', async () => {
    const its = await estate(postgres.url, version);
    await failed(its, 12_000);
    const open = async () =>
      (
        await its.sql(
          `SELECT 1 FROM pg_stat_activity
           WHERE application_name = 'cache-ops' AND state <> 'idle'`,
        )
      ).length;
    for await (const page of its.engine.jobs(its.ref(), { states: ['failed'] }, true)) {
      expect(page.length).toBe(1_000);
      expect(await open()).toBe(1);
      break;
    }
    await until(async () => (await open()) === 0);
    expect(await list(its.engine, its.ref(), { states: ['failed'] }, true)).toHaveLength(12_000);

    const controller = new AbortController();
    const engine = openPgboss({ name: 'main', url: its.url, address: 'loopback' }, [its.schema], {
      timeout: 10_000,
      signal: controller.signal,
    });
    onTestFinished(() => engine.close());
    const reading = async () => {
      for await (const _ of engine.jobs(its.ref(), { states: ['failed'] }, true))
        controller.abort();
    };
    await expect(reading()).rejects.toMatchObject({ name: 'AbortError' });
    await until(async () => (await open()) === 0);
  });

  it('finds a job, and says in depth how the queue is', async () => {
    const its = await estate(postgres.url, version);
    const { engine, ref } = its;
    const [id = ''] = await failed(its, 40);
    expect(await engine.holding([ref(), ref('none')], id)).toEqual([ref()]);
    expect(await engine.holding([ref()], 'not-a-uuid')).toEqual([]);
    expect(await engine.show(ref(), 'not-a-uuid')).toBeUndefined();
    expect(await engine.existing([ref(), ref('none')])).toEqual([ref()]);
    const stats = await engine.stats(ref(), 30);
    expect(stats).toMatchObject({
      sampled: 30,
      wait_ms: { count: 30, p50: 3_000 },
      run_ms: { p99: 2_000 },
      failures: [{ count: 30, newest_id: id }],
      retained: { failed: 40 },
    });
    expect(stats.finished_per_minute).toBeCloseTo(60);
    expect(stats.memory?.retained_bytes).toBeGreaterThan(40 * 100);
  });
});

describe('schemas that are not to be changed', () => {
  it.each([
    ['9', 20, 'pg-boss 9'],
    ['10', 25, 'does not know'],
    ['11', 99, 'does not know'],
    ['12', 99, 'does not know'],
  ] as const)(
    'pg-boss %s at version %i is read, and every write refused',
    async (version, number, word) => {
      const its = await estate(postgres.url, version);
      const { engine, ref } = its;
      const [id = ''] = await failed(its, 3);
      await its.sql('UPDATE $S.version SET version = $1', [number]);
      const before = await fingerprint(its);
      await readAll(engine);
      expect(await engine.readOnlyBecause(ref())).toContain(word);
      expect((await engine.show(ref(), id))?.retry).toContain('not by cache-ops');
      for (const type of ['retry', 'cancel', 'promote', 'redrive'] as const)
        await expect(engine.apply(ref(), { type }, [{ id, seen: '' }])).rejects.toMatchObject({
          code: 'refused',
        });
      await expect(
        engine.apply(ref(), { type: 'remove', cascade: false }, [{ id, seen: '' }]),
      ).rejects.toThrow(word);
      expect(await fingerprint(its)).toBe(before);
    },
  );

  it('refuses when an application migrates the schema in the middle', async () => {
    const its = await estate(postgres.url, '12');
    const [id = ''] = await failed(its, 1);
    await its.engine.discover();
    await its.sql('UPDATE $S.version SET version = 47');
    await expect(its.engine.apply(its.ref(), RETRY, [{ id, seen: '' }])).rejects.toThrow(
      'from version 46 to 47',
    );
  });

  it('passes over tables of the same names that are not of pg-boss, and says which schema is not there', async () => {
    const its = await estate(postgres.url, '11');
    await its.sql(
      'CREATE SCHEMA alien CREATE TABLE job (id int) CREATE TABLE version (version int)',
    );
    const target = { name: 'main', url: its.url, address: 'loopback' };
    const all = openPgboss(target, undefined, { timeout: 10_000 });
    const one = openPgboss(target, ['nowhere'], { timeout: 10_000 });
    onTestFinished(async () => {
      await all.close();
      await one.close();
    });
    expect((await all.discover()).filter(({ scope }) => scope === 'alien')).toEqual([]);
    await expect(one.discover()).rejects.toMatchObject({ code: 'not_found' });
    await expect(all.show(refOf('nowhere', 'mail'), 'x')).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});
