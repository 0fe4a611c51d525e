import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Operation } from '../../src/queues/operation.js';
import { openPgboss } from '../../src/queues/pgboss/engine.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { type Estate, estate, failed, fingerprint, list, WRITABLE } from './pgboss.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const RETRY = { type: 'retry' } as const;
const CANCEL = { type: 'cancel' } as const;
const REMOVE = { type: 'remove', cascade: false } as const;
const PROMOTE = { type: 'promote' } as const;
const REDRIVE = { type: 'redrive' } as const;
const NOBODY = '00000000-0000-4000-8000-000000000000';

const anyhow = (ids: readonly string[]) => ids.map((id) => ({ id, seen: '' }));

/** Does it, after the preview has said the same and has changed nothing; the results in order. */
async function does(its: Estate, operation: Operation, ids: readonly string[], queue = 'mail') {
  const before = await fingerprint(its);
  const impacts = await its.engine.preview(its.ref(queue), operation, anyhow(ids));
  expect(await fingerprint(its)).toBe(before);
  const outcomes = await its.engine.apply(its.ref(queue), operation, anyhow(ids));
  expect(outcomes.map(({ id }) => id)).toEqual(ids);
  expect(impacts.map(({ result }) => result)).toEqual(outcomes.map(({ result }) => result));
  return outcomes.map(({ result }) => result);
}

const jobOf = async ({ sql }: Estate, id: string) =>
  (await sql('SELECT *, start_after <= now() AS due FROM $S.job WHERE id = $1', [id]))[0];

/** pg-boss's own maintenance, now. */
async function maintain({ boss, sql, version }: Estate) {
  if (version === '10') return boss.maintain();
  await sql('UPDATE $S.queue SET maintain_on = NULL');
  return boss.supervise();
}

describe.each(WRITABLE)('changing jobs of pg-boss %s', (version) => {
  it('retries what failed, keeps priority and data, and later maintenance leaves it', async () => {
    const its = await estate(
      postgres.url,
      version,
      { mail: { deleteAfterSeconds: 1 } },
      { archiveCompletedAfterSeconds: 1 },
    );
    const [first = '', second = ''] = await failed(its, 2);
    await its.sql(`UPDATE $S.job SET keep_until = now() - interval '1 day', priority = 7`);
    if (version !== '10') await its.sql('UPDATE $S.job SET deletion_seconds = 1');
    const was = await its.sql('SELECT * FROM $S.version');

    expect(await does(its, RETRY, [first, NOBODY, 'no-uuid'])).toEqual([
      'done',
      'missing',
      'missing',
    ]);
    expect(await jobOf(its, first)).toMatchObject({
      state: 'retry',
      due: true,
      completed_on: null,
      priority: 7,
      retry_limit: 3,
      data: { n: 1 },
    });
    expect(await does(its, RETRY, [first])).toEqual(['raced']);
    await maintain(its);
    expect(await jobOf(its, second)).toBeUndefined();
    expect(await jobOf(its, first)).toMatchObject({ state: 'retry' });
    expect((await its.engine.show(its.ref(), first))?.state).toBe('waiting');
    const now = await its.sql('SELECT * FROM $S.version');
    expect(now.map((row) => row.version)).toEqual(was.map((row) => row.version));
    expect(now).toHaveLength(1);
  });

  it('leaves alone what has failed anew since it was chosen', async () => {
    const its = await estate(postgres.url, version);
    await failed(its, 3);
    const [one, two, three] = await list(its.engine, its.ref(), { states: ['failed'] });
    if (!one || !two || !three) throw new Error('three jobs');
    await its.sql(
      `UPDATE $S.job SET completed_on = completed_on + interval '1 microsecond' WHERE id = $1`,
      [two.id],
    );
    await its.sql(`UPDATE $S.job SET state = 'active' WHERE id = $1`, [three.id]);
    const outcomes = await its.engine.apply(its.ref(), RETRY, [one, two, three]);
    expect(outcomes.map(({ result, detail }) => [result, detail])).toEqual([
      ['done', 'waiting'],
      ['raced', 'it has failed anew'],
      ['raced', 'it is active now'],
    ]);
    expect(await does(its, RETRY, [three.id])).toEqual(['locked']);
  });

  it('moves each job once when two operators retry the same', async () => {
    const its = await estate(postgres.url, version);
    const other = secondOperator(its);
    const ids = await failed(its, 900);
    const [a, b] = await Promise.all([
      its.engine.apply(its.ref(), RETRY, anyhow(ids)),
      other.engine.apply(its.ref(), RETRY, anyhow(ids.toReversed())),
    ]);
    const done = [...a, ...b].filter(({ result }) => result === 'done').map(({ id }) => id);
    expect([done.length, new Set(done).size]).toEqual([900, 900]);
    expect([...a, ...b].filter(({ result }) => result === 'raced')).toHaveLength(900);
    const [{ most }] = await its.sql('SELECT max(retry_limit) AS most FROM $S.job');
    expect(most).toBe(3);
  });

  it('retries one of a stately pair: the other is a conflict, the rest of the chunk is done', async () => {
    const its = await estate(postgres.url, version, { mail: { policy: 'stately' } });
    const ids = await failed(its, 6);
    await its.sql(
      `UPDATE $S.job SET singleton_key = CASE WHEN id = ANY($1::uuid[]) THEN 'same' ELSE id::text END`,
      [ids.slice(1, 3)],
    );
    expect(await does(its, RETRY, ids)).toEqual([
      'done',
      'done',
      'conflict',
      'done',
      'done',
      'done',
    ]);
    const [{ count }] = await its.sql(
      `SELECT count(*)::int FROM $S.job WHERE state = 'retry' AND completed_on IS NULL`,
    );
    expect(count).toBe(5);
    expect(await does(its, RETRY, ids.slice(2, 3))).toEqual(['conflict']);
  });

  it('does the rest of a chunk that was chosen from the list when a stately pair is in it', async () => {
    const its = await estate(postgres.url, version, { mail: { policy: 'stately' } });
    const ids = await failed(its, 5);
    await its.sql(
      `UPDATE $S.job SET singleton_key = CASE WHEN id = ANY($1::uuid[]) THEN 'same' ELSE id::text END`,
      [ids.slice(1, 3)],
    );
    const jobs = await list(its.engine, its.ref(), { states: ['failed'] });
    const outcomes = await its.engine.apply(its.ref(), RETRY, jobs);
    expect(outcomes.map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
    expect(outcomes.map(({ result }) => result).toSorted()).toEqual([
      'conflict',
      ...Array(4).fill('done'),
    ]);
    expect(await its.sql(`SELECT 1 FROM $S.job WHERE state = 'retry'`)).toHaveLength(4);
    // What was refused is as it was.
    expect(
      await its.sql(
        `SELECT 1 FROM $S.job WHERE state = 'failed' AND completed_on IS NOT NULL AND retry_limit = 2`,
      ),
    ).toHaveLength(1);
  });

  it('commits nothing before the chunk is noted, and nothing where it cannot be', async () => {
    const its = await estate(postgres.url, version);
    await failed(its, 3);
    const jobs = await list(its.engine, its.ref(), { states: ['failed'] });
    const parts = [jobs, jobs.map(({ id }) => ({ id, seen: '' }))];
    for (const chosen of parts) {
      const noted = Promise.reject(new Error('the disk is full'));
      noted.catch(() => {});
      const applying = its.engine.apply(its.ref(), RETRY, chosen, noted);
      await expect(applying).rejects.toThrow('the disk is full');
    }
    let note = () => {};
    const noted = new Promise<void>((resolve) => {
      note = resolve;
    });
    const applying = its.engine.apply(its.ref(), RETRY, jobs, noted);
    await its.engine.existing([its.ref()]);
    expect(await its.sql(`SELECT 1 FROM $S.job WHERE state = 'failed'`)).toHaveLength(3);
    note();
    expect((await applying).map(({ result }) => result)).toEqual(['done', 'done', 'done']);
  });

  it('changes nothing more once the application has migrated the schema', async () => {
    const its = await estate(postgres.url, version, { dead: {}, mail: { deadLetter: 'dead' } });
    await failed(its, 2);
    await its.boss.send('mail', {}, { startAfter: 3_600 });
    await its.boss.send('dead', {});
    const jobs = await list(its.engine, its.ref(), { states: [] });
    const letters = await list(its.engine, its.ref('dead'), { states: [] });
    await its.sql('UPDATE $S.version SET version = version + 1');
    const before = await rowsOf(its);
    for (const operation of [RETRY, CANCEL, REMOVE, PROMOTE, REDRIVE]) {
      for (const chosen of [jobs, anyhow(jobs.map(({ id }) => id))])
        await expect(its.engine.apply(its.ref(), operation, chosen)).rejects.toMatchObject({
          code: 'refused',
          message: expect.stringContaining('meanwhile'),
        });
    }
    await expect(its.engine.apply(its.ref('dead'), REDRIVE, letters)).rejects.toMatchObject({
      code: 'refused',
    });
    expect(await stateOfAll(its)).toEqual(['created', 'created', 'failed', 'failed']);
    expect(await rowsOf(its)).toEqual(before);
  });

  it('cancels: before it started, or fenced; a retry resumes it once its worker can be at it no longer', async () => {
    const its = await estate(postgres.url, version);
    const { boss, sql } = its;
    const taken = await boss.send('mail', {});
    await boss.fetch('mail');
    const waiting = await boss.send('mail', {});
    const delayed = await boss.send('mail', {}, { startAfter: 3_600 });
    expect(await does(its, CANCEL, [waiting, delayed, taken])).toEqual(['done', 'done', 'fenced']);
    expect(await does(its, CANCEL, [waiting])).toEqual(['raced']);
    // What the worker says afterwards counts for nothing.
    await boss.complete('mail', taken);
    await boss.fail('mail', taken, new Error('late'));
    expect(await jobOf(its, taken)).toMatchObject({ state: 'cancelled' });
    expect(await does(its, RETRY, [waiting, taken])).toEqual(['done', 'locked']);
    await sql(`UPDATE $S.job SET started_on = started_on - interval '1 day' WHERE id = $1`, [
      taken,
    ]);
    expect(await does(its, RETRY, [taken, delayed])).toEqual(['done', 'done']);
    expect(await jobOf(its, delayed)).toMatchObject({
      state: 'created',
      due: true,
      completed_on: null,
    });
  });

  it('removes what no worker has', async () => {
    const its = await estate(postgres.url, version);
    const [gone = ''] = await failed(its, 1);
    const taken = await its.boss.send('mail', {});
    await its.boss.fetch('mail');
    expect(await does(its, REMOVE, [gone, taken])).toEqual(['done', 'locked']);
    expect(await jobOf(its, gone)).toBeUndefined();
    expect(await jobOf(its, taken)).toMatchObject({ state: 'active' });
  });

  it('promotes what is delayed', async () => {
    const its = await estate(postgres.url, version);
    const delayed = await its.boss.send('mail', {}, { startAfter: 3_600 });
    const waiting = await its.boss.send('mail', {});
    expect((await its.engine.show(its.ref(), delayed))?.state).toBe('delayed');
    expect(await does(its, PROMOTE, [delayed, waiting])).toEqual(['done', 'raced']);
    expect(await jobOf(its, delayed)).toMatchObject({ state: 'created', due: true });
  });

  it('sends a dead letter back to the queue it came from', async () => {
    const its = await estate(postgres.url, version, {
      dead: {},
      mail: { deadLetter: 'dead', retryLimit: 0 },
    });
    await its.boss.send('mail', { to: 'a' });
    const [{ id }] = (await its.boss.fetch('mail')) as { id: string }[] as [{ id: string }];
    await its.boss.fail('mail', id, new Error('no'));
    const [letter] = await list(its.engine, its.ref('dead'), { states: [] });
    if (!letter) throw new Error('a dead letter');
    expect((await its.engine.show(its.ref('dead'), letter.id))?.dead_letter.from).toMatch(/^mail/);
    expect(await does(its, REDRIVE, [letter.id], 'dead')).toEqual(['done']);
    expect(await does(its, REDRIVE, [letter.id], 'dead')).toEqual(['missing']);
    const [back] = await list(its.engine, its.ref(), { states: ['waiting'] });
    expect(back).toMatchObject({ data: { to: 'a' }, attempts_max: 1, error: null });
    expect((await its.engine.show(its.ref(), back?.id ?? ''))?.dead_letter.to).toBe('dead');
    // It runs, and dies again into the same queue.
    await its.boss.fetch('mail');
    await its.boss.fail('mail', back?.id, new Error('again'));
    expect(await list(its.engine, its.ref('dead'), { states: ['waiting'] })).toHaveLength(1);
  });

  it('has no pause', async () => {
    const its = await estate(postgres.url, version);
    await expect(its.engine.setPaused(its.ref(), true)).rejects.toMatchObject({ code: 'refused' });
  });
});

const rowsOf = ({ sql }: Estate) => sql('SELECT * FROM $S.job ORDER BY id');

const stateOfAll = async ({ sql }: Estate): Promise<string[]> =>
  (await sql('SELECT state::text AS state FROM $S.job ORDER BY 1')).map(({ state }) => state);

/** A second operator on the same schema. */
function secondOperator({ schema, url }: Estate) {
  const engine = openPgboss({ name: 'main', url, address: 'loopback' }, [schema], {
    timeout: 10_000,
  });
  onTestFinished(() => engine.close());
  return { engine };
}

describe('where the versions differ', () => {
  it('a dead letter of pg-boss 11 that two queues may have sent stays', async () => {
    const its = await estate(postgres.url, '11', {
      dead: {},
      mail: { deadLetter: 'dead' },
      post: { deadLetter: 'dead' },
    });
    const id = await its.boss.send('dead', {});
    expect(await does(its, REDRIVE, [id], 'dead')).toEqual(['conflict']);
    const [impact] = await its.engine.preview(its.ref('dead'), REDRIVE, anyhow([id]));
    expect(impact?.becomes).toContain('mail or post');
  });

  it('a dead letter that its queue does not take stays', async () => {
    const its = await estate(postgres.url, '12', {
      dead: {},
      mail: { deadLetter: 'dead', policy: 'short', retryLimit: 0 },
    });
    const sent = await its.boss.send('mail', {}, { singletonKey: 'k' });
    await its.boss.fetch('mail');
    await its.boss.fail('mail', sent, new Error('no'));
    await its.boss.send('mail', {}, { singletonKey: 'k' });
    const [letter] = await list(its.engine, its.ref('dead'), { states: [] });
    const [outcome] = await its.engine.apply(its.ref('dead'), REDRIVE, anyhow([letter?.id ?? '']));
    expect(outcome?.result).toBe('conflict');
    expect(await list(its.engine, its.ref('dead'), { states: ['waiting'] })).toHaveLength(1);
  });

  it('what pg-boss 10 has archived is shown, and not retried', async () => {
    const its = await estate(postgres.url, '10', { mail: {} }, { archiveCompletedAfterSeconds: 1 });
    const [id = ''] = await failed(its, 1);
    await its.boss.maintain();
    expect(await jobOf(its, id)).toBeUndefined();
    expect(await its.engine.holding([its.ref()], id)).toEqual([its.ref()]);
    expect(await its.engine.show(its.ref(), id)).toMatchObject({
      state: 'failed',
      retry: expect.stringContaining('archived'),
    });
    expect((await its.engine.stats(its.ref(), 10)).retained.failed).toBe(1);
    expect(await does(its, RETRY, [id])).toEqual(['conflict']);
  });

  it('the parent of a flow of pg-boss 12 goes only with what waits for it', async () => {
    const its = await estate(postgres.url, '12', { mail: {}, post: {} });
    const ids = await its.boss.flow([
      { ref: 'a', name: 'mail', data: {} },
      { ref: 'b', name: 'post', data: {}, dependsOn: ['a'] },
      { ref: 'c', name: 'mail', data: {}, dependsOn: ['b'] },
    ]);
    const [a, b, c] = [ids.a ?? '', ids.b ?? '', ids.c ?? ''];
    expect(await its.engine.show(its.ref('post'), b)).toMatchObject({
      state: 'blocked',
      parent: { id: a, queue: 'mail' },
      children: [{ id: c, queue: 'mail', done: false }],
    });
    expect((await its.engine.snapshots([its.ref()]))[0]).toMatchObject({ blocked: 1, waiting: 1 });
    expect(await does(its, PROMOTE, [c])).toEqual(['conflict']);
    expect(await does(its, REMOVE, [a])).toEqual(['conflict']);
    const [impact] = await its.engine.preview(
      its.ref(),
      { type: 'remove', cascade: true },
      anyhow([a]),
    );
    expect(impact?.children.toSorted()).toEqual([`mail:${c}`, `post:${b}`]);
    expect(await does(its, { type: 'remove', cascade: true }, [a])).toEqual(['done']);
    expect(await its.sql('SELECT 1 FROM $S.job')).toEqual([]);
  });

  it('keeps the counts of pg-boss 12 as boss.deleteJob does', async () => {
    const its = await estate(postgres.url, '12');
    const ids = [await its.boss.send('mail', {}), await its.boss.send('mail', {})];
    for (const id of ids) {
      await its.boss.fetch('mail');
      await its.boss.complete('mail', id);
    }
    const set = `UPDATE $S.queue SET retained_count = 2, total_count = 2, retained_on = now() + interval '1 s'`;
    const counts = 'SELECT retained_count, total_count FROM $S.queue';
    await its.sql(set);
    await its.boss.deleteJob('mail', ids[0]);
    const theirs = await its.sql(counts);
    await its.sql(set);
    expect(await does(its, REMOVE, ids.slice(1))).toEqual(['done']);
    expect(await its.sql(counts)).toEqual(theirs);
    expect(theirs).toEqual([{ retained_count: 1, total_count: 1 }]);
  });

  it('keeps the counts of pg-boss 12 as boss.resume does, also of jobs chosen from the list', async () => {
    const its = await estate(postgres.url, '12');
    const ids = [await its.boss.send('mail', {}), await its.boss.send('mail', {})];
    await its.engine.apply(its.ref(), CANCEL, anyhow(ids));
    const set = `UPDATE $S.queue SET retained_count = 2, total_count = 2, retained_on = now() + interval '1 s'`;
    await its.sql(set);
    const jobs = await list(its.engine, its.ref(), { states: ['cancelled'] });
    const outcomes = await its.engine.apply(its.ref(), RETRY, jobs);
    expect(outcomes.map(({ result }) => result)).toEqual(['done', 'done']);
    expect(await its.sql('SELECT retained_count, total_count FROM $S.queue')).toEqual([
      { retained_count: 0, total_count: 2 },
    ]);
  });

  it('says of a queue with heartbeats that its worker is told', async () => {
    const its = await estate(postgres.url, '12', { mail: { heartbeatSeconds: 30 } });
    const id = await its.boss.send('mail', {});
    await its.boss.fetch('mail');
    const [outcome] = await its.engine.apply(its.ref(), CANCEL, anyhow([id]));
    expect(outcome).toMatchObject({
      result: 'fenced',
      detail: expect.stringContaining('at its next heartbeat (every 30 s)'),
    });
  });

  it('gives a chunk up that waits for somebody else too long, and leaves nothing of it behind', async () => {
    const its = await estate(postgres.url, '11');
    await failed(its, 3);
    const jobs = await list(its.engine, its.ref(), { states: ['failed'] });
    const engine = openPgboss({ name: 'main', url: its.url, address: 'loopback' }, [its.schema], {
      timeout: 1_000,
    });
    onTestFinished(() => engine.close());
    await engine.discover();
    await its.sql('BEGIN');
    await its.sql('UPDATE $S.job SET priority = 9 WHERE id = $1', [jobs[1]?.id]);
    await expect(engine.apply(its.ref(), RETRY, jobs)).rejects.toMatchObject({ code: 'connect' });
    await its.sql('COMMIT');
    expect(await stateOfAll(its)).toEqual(['failed', 'failed', 'failed']);
    const outcomes = await engine.apply(its.ref(), RETRY, jobs);
    expect(outcomes.map(({ result }) => result)).toEqual(['done', 'done', 'done']);
  });

  it('a user that may only read is refused in words', async () => {
    const its = await estate(postgres.url, '11');
    const ids = await failed(its, 1);
    await its.sql('CREATE ROLE onlooker LOGIN');
    await its.sql('GRANT USAGE ON SCHEMA $S TO onlooker');
    await its.sql('GRANT SELECT ON ALL TABLES IN SCHEMA $S TO onlooker');
    const { engine } = secondOperator({ ...its, url: its.url.replace('postgres@', 'onlooker@') });
    await expect(engine.apply(its.ref(), RETRY, anyhow(ids))).rejects.toMatchObject({
      code: 'refused',
    });
  });
});
