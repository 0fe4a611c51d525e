import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint } from '../queues/bullmq.js';
import { until } from '../servers/wait.js';
import { rowsOf, startEstate } from './queue-estate.js';

let estate: Awaited<ReturnType<typeof startEstate>>;
beforeAll(async () => {
  estate = await startEstate();
});
afterAll(() => estate.stop());

const NOWHERE = 'redis://127.0.0.1:1';
const NO_POSTGRES = 'postgres://u:hunter2@127.0.0.1:1/x';
const terminal = (columns: number) => ({ tty: true, columns });
const namesOf = (queues: { scope: string; queue: string }[]) =>
  queues.map(({ scope, queue }) => `${scope}:${queue}`);

it('changes nothing, whatever is read', async () => {
  const before = [await fingerprint(estate.redis.port), await rowsOf(estate.postgres.url)];
  const op = estate.operator();
  for (const argv of [
    ['ls', '--sample', '10ms'],
    ['ls', '--discover'],
    ['stats'],
    ['jobs', '--limit', '0'],
    ['jobs', '--error', 'ETIMEDOUT'],
    ['show', estate.failed],
    ['show', '5', '--queue', 'bull:mail', '--full'],
  ])
    expect(await op.run(argv)).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('fault'),
    });
  expect([await fingerprint(estate.redis.port), await rowsOf(estate.postgres.url)]).toEqual(before);
});

describe('queue ls', () => {
  it('lists the queues of both engines with their jobs by state', async () => {
    const { code, result } = await estate.operator().json('ls');
    expect(code).toBe(0);
    expect(namesOf(result.queues)).toEqual([
      'bull:bulk',
      'bull:mail',
      '{app:eu}:mail',
      'pgboss:mail',
      'pgboss:report',
    ]);
    expect(result.queues[1]).toMatchObject({
      ...{ engine: 'bullmq', source: 'main', waiting: 6, active: 2, failed: 4, completed: 4 },
      ...{ paused: false, workers: 0, completed_per_s: null },
    });
    expect(result.queues[4]).toMatchObject({ waiting: 1, failed: 1, paused: null, workers: null });
    expect(result.sources).toMatchObject([
      { engine: 'bullmq', problem: null, remembered: false },
      { engine: 'pgboss', problem: null, remembered: false },
    ]);
  });

  it('says how old what it knows is, and that a queue is gone', async () => {
    const op = estate.operator();
    await estate.client.hset('bull:brief:meta', 'opts.maxLenEvents', '1');
    expect((await op.run(['ls'], terminal(80))).stdout).not.toContain('ago');
    expect((await op.run(['ls'], terminal(80))).stdout).toMatch(/queues found .+ ago; --discover/);
    await estate.client.del('bull:brief:meta');
    expect(await op.run(['ls'])).toMatchObject({
      code: 0,
      stdout: expect.not.stringContaining('brief'),
      stderr: expect.stringContaining('main/bull:brief is gone; forgotten'),
    });
    expect((await op.run(['ls'])).stderr).not.toContain('gone');
  });

  it('shows the others where one engine is dead, and exits 5 when all are', async () => {
    const half = estate.operator({ postgres: NO_POSTGRES });
    const { code, stdout, stderr } = await half.run(['ls']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mail\t6\t/m);
    expect(stdout).toMatch(/^\t+pgboss\t\tbase$/m);
    expect(stderr).toMatch(/^pgboss on base: unknown, .*127\.0\.0\.1:1\/x.*connection refused/m);
    const none = await estate
      .operator({ redis: NOWHERE, postgres: NO_POSTGRES })
      .run(['ls', '--json']);
    expect(none.code).toBe(5);
    expect(JSON.parse(none.stdout).queues).toEqual([]);
    expect(stderr + stdout + none.stdout).not.toContain('hunter2');
  });

  it('narrows to a name or a pattern, also to a queue that is new', async () => {
    const op = estate.operator();
    const named = async (name: string) => namesOf((await op.json('ls', name)).result.queues);
    expect(await named('mail')).toEqual(['bull:mail', '{app:eu}:mail', 'pgboss:mail']);
    expect(await named('bull:mail')).toEqual(['bull:mail']);
    expect(await named('*u*')).toEqual(['bull:bulk', 'bull:mail', '{app:eu}:mail']);
    await estate.client.hset('bull:newcomer:meta', 'opts.maxLenEvents', '1');
    expect(await named('newcomer')).toEqual(['bull:newcomer']);
    await estate.client.del('bull:newcomer:meta');
    const { code, error } = await op.json('ls', 'reprot');
    expect({ code, error }).toMatchObject({
      code: 2,
      error: { code: 'not_found', hint: expect.stringContaining('did you mean report?') },
    });
  });

  it('counts what finishes during the sample where kept jobs prove it, and says so where not', async () => {
    const key = 'bull:mail:completed';
    const op = estate.operator();
    let sampled = false;
    const sampling = op.json('ls', 'bull:mail', '--sample', '300ms').finally(() => {
      sampled = true;
    });
    const [id = ''] = await estate.client.zrange(key, '-1', '-1');
    const hash = await estate.client.hgetall(`bull:mail:${id}`);
    const late: string[] = [];
    await until(async () => {
      const finished = Date.now();
      late.push(`late-${late.length}`);
      const name = late.at(-1) as string;
      await estate.client.hset(`bull:mail:${name}`, { ...hash, finishedOn: String(finished) });
      await estate.client.zadd(key, finished, name);
      return sampled;
    });
    const { result } = await sampling;
    expect(result.sample_ms).toBe(300);
    expect(result.queues[0].completed_per_s).toBeGreaterThan(0.5);
    expect(result.queues[0].failed_per_s).toBe(0);
    await estate.client.zrem(key, ...late);
    await estate.client.del(...late.map((name) => `bull:mail:${name}`));
    const bulk = await op.json('ls', 'bulk', '--sample', '1ms');
    expect(bulk.result.queues[0]).toMatchObject({ completed_per_s: null, failed_per_s: 0 });
  });

  it('does not take the few jobs that a busy queue keeps for all that finished', async () => {
    const { client } = estate;
    let sampled = false;
    let last = 0;
    const finish = async () => {
      last += 1;
      const job = { name: 'n', data: '{}', opts: '{}', timestamp: '1', finishedOn: String(last) };
      await client.hset(`bull:trim:${last}`, job);
      await client.zadd('bull:trim:completed', last, String(last));
      await client.zremrangebyrank('bull:trim:completed', 0, -2);
      return sampled && last > 3;
    };
    await client.hset('bull:trim:meta', 'opts.maxLenEvents', '1');
    await finish();
    const sampling = estate.operator().json('ls', 'trim', '--sample', '200ms');
    void sampling.finally(() => {
      sampled = true;
    });
    await until(finish);
    expect((await sampling).result.queues[0].completed_per_s).toBeNull();
    await client.del(...(await client.keys('bull:trim:*')));
  });

  it('tells queues of one name apart, and fits a terminal', async () => {
    const op = estate.operator();
    const { stdout } = await op.run(['ls'], terminal(80));
    expect(stdout).toMatch(/^bull:mail +6 /m);
    expect(stdout).toMatch(/^\{app:eu\}:mail +6 /m);
    expect(stdout).toMatch(/^report +1 /m);
    const listed = await op.run(['jobs'], terminal(80));
    expect(listed.stdout).toMatch(/^id +queue +state/m);
    for (const columns of [40, 80]) {
      for (const argv of [['ls'], ['stats'], ['jobs'], ['show', estate.failed]]) {
        const lines = (await op.run(argv, terminal(columns))).stdout.split('\n');
        const widths = lines.map((line) => line.length);
        expect(Math.max(...widths), argv.join(' ')).toBeLessThanOrEqual(columns);
      }
    }
  });

  it('works where nothing can be remembered', async () => {
    const op = estate.operator();
    mkdirSync(join(op.folder, 'state'));
    writeFileSync(join(op.folder, 'state', 'cache-ops'), 'in the way');
    const { code, stdout, stderr } = await op.run(['ls']);
    expect(code).toBe(0);
    expect(stdout).toContain('report');
    expect(stderr).toContain('the queues cannot be remembered: cannot write');
  });
});

describe('queue jobs', () => {
  it('streams every job as a line with --json, and a summary', async () => {
    const { code, items, result } = await estate.operator().json('jobs', 'bull:mail');
    expect(code).toBe(0);
    expect(items).toHaveLength(20);
    expect(items.every(({ type }) => type === 'item')).toBe(true);
    expect(items.find(({ id }) => id === '5')).toMatchObject({
      ...{ name: 'import', state: 'failed', priority: 2, error: 'bad row 7', data: { n: 2 } },
      finished_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(items[0]).not.toHaveProperty('seen');
    expect(result).toMatchObject({ type: 'summary', jobs: 20, ghosts: 0, corrupt: 0, more: false });
  });

  it.each([
    [['--error', '/ETIMEDOUT/'], 8],
    [['--queue', 'bulk', '--error', 'ETIMEDOUT'], 3],
    [['--queue', 'bulk', '--queue', 'report'], 8],
    [['bulk', '--name', '3'], 1],
    [['bulk', '--data', 'number=3'], 1],
    [['bulk', '--older-than', '30m'], 6],
    [['bulk', '--newer-than', '30m'], 0],
    [['--state', 'failed,active'], 19],
  ])('%j finds %i', async (argv, expected) => {
    const { code, items, result } = await estate.operator().json('jobs', ...argv);
    expect({ code, jobs: items.length, said: result.jobs }).toEqual({
      code: 0,
      jobs: expected,
      said: expected,
    });
  });

  it('shows the newest of all queues and states, and that there are more', async () => {
    const { stdout, stderr } = await estate.operator().run(['jobs', '--limit', '3']);
    const times = stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t')[3] ?? '');
    expect(times).toHaveLength(3);
    expect(times).toEqual([...times].sort().reverse());
    expect(stdout).toContain('report');
    expect(stderr).toContain('3 jobs; there are more');
    const { result } = await estate.operator().json('jobs', 'bulk', '--limit', '6');
    expect(result).toMatchObject({ jobs: 6, more: false });
  });

  it('shows and counts ghosts and corrupt jobs', async () => {
    const { client } = estate;
    await client.hset('bull:odd:meta', 'opts.maxLenEvents', '1');
    await client.rpush('bull:odd:wait', 'ghost', 'text', 'fine');
    await client.set('bull:odd:text', 'no hash');
    await client.hset('bull:odd:fine', { name: 'n', data: '{}', opts: '{}', timestamp: '1' });
    const { code, items, result } = await estate.operator().json('jobs', 'odd');
    expect(code).toBe(0);
    expect(result).toMatchObject({ jobs: 3, ghosts: 1, corrupt: 1 });
    const problems = Object.fromEntries(items.map(({ id, problem }) => [id, problem]));
    expect(problems).toEqual({ ghost: 'ghost', text: 'corrupt', fine: null });
    const { stdout } = await estate.operator().run(['jobs', 'odd'], terminal(80));
    expect(stdout).toMatch(/ghost +waiting \(ghost\)/);
    const shown = await estate.operator().json('show', 'ghost', '--queue', 'odd');
    expect([shown.code, shown.error.message]).toEqual([
      2,
      '"ghost" stands among the waiting jobs of main/bull:odd and has no job: a ghost',
    ]);
    await client.del('bull:odd:meta', 'bull:odd:wait', 'bull:odd:text', 'bull:odd:fine');
  });

  it('exits 4 when a source is missing in the answer, 5 when all are', async () => {
    const half = await estate.operator({ redis: NOWHERE }).json('jobs', '--state', 'failed');
    expect(half.code).toBe(4);
    expect(half.items).toMatchObject([{ id: estate.failed }]);
    expect(half.result.problems).toMatchObject([{ engine: 'bullmq', source: 'main', queue: null }]);
    const none = estate.operator({ redis: NOWHERE, postgres: NO_POSTGRES });
    expect((await none.json('jobs')).code).toBe(5);
    // A queue that was named and found is all there is to read.
    expect((await estate.operator({ redis: NOWHERE }).json('jobs', 'report')).code).toBe(0);
    expect((await estate.operator({ redis: NOWHERE }).json('jobs', 'bulk')).code).toBe(5);
  });

  it('refuses a name of several queues, an unknown one and a bad expression in one line', async () => {
    const op = estate.operator();
    const mail = await op.json('jobs', 'mail');
    expect(mail.code).toBe(2);
    expect(mail.error.message).toContain('main/bull:mail, main/{app:eu}:mail, base/pgboss:mail');
    expect((await op.json('jobs', 'main/{app:eu}:mail')).result.jobs).toBe(20);
    expect((await op.json('jobs', 'blk')).error.hint).toContain('did you mean bulk?');
    expect(await op.run(['jobs', '--error', '/(/'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^cache-ops: --error: Invalid regular expression.*\n {2}hint: .*\n$/,
      ),
    });
  });
});

describe('queue show', () => {
  it('finds a job in whichever queue it is', async () => {
    const { code, result } = await estate.operator().json('show', estate.failed);
    expect(code).toBe(0);
    expect(result).toMatchObject({
      ...{ engine: 'pgboss', queue: 'report', state: 'failed', data: { n: 1 } },
      ...{ error: 'connect ETIMEDOUT 10.0.0.9:443', retry: expect.stringMatching(/^waiting/) },
    });
    expect(result.stack[0]).toBe('Error: connect ETIMEDOUT 10.0.0.9:443');
    const bulk = await estate.operator().json('show', 'job-3');
    expect(bulk.result).toMatchObject({ queue: 'bulk', data: { number: 3 } });
  });

  it('asks for the queue of an id that several have', async () => {
    const op = estate.operator();
    const { code, error } = await op.json('show', '1');
    expect({ code, error }).toMatchObject({
      code: 2,
      error: {
        message: 'job 1 is in 2 queues: main/bull:mail, main/{app:eu}:mail',
        hint: 'say which: --queue main/bull:mail',
      },
    });
    const { result } = await op.json('show', '1', '--queue', 'main/bull:mail');
    expect(result).toMatchObject({
      scope: 'bull',
      result: { rows: 1 },
      logs: ['half of it', 'all of it'],
    });
  });

  it('invents nothing for an unknown id, and says when a source could not be asked', async () => {
    expect(await estate.operator().json('show', 'nope')).toMatchObject({
      code: 2,
      error: { code: 'not_found', message: 'there is no job "nope" in any of 5 queues' },
      result: undefined,
    });
    expect((await estate.operator().json('show', 'jib-3')).error.hint).toBe('did you mean job-3?');
    const half = await estate.operator({ redis: NOWHERE }).json('show', 'nope');
    expect(half.code).toBe(5);
    expect(half.error.message).toContain('bullmq on main cannot be read');
  });

  it('cuts long data unless --full', async () => {
    const text = 'x'.repeat(5_000);
    await estate.client.hset('bull:bulk:job-3', 'data', JSON.stringify({ number: 3, text }));
    const op = estate.operator();
    const cut = await op.run(['show', 'job-3']);
    expect(cut.stdout.length).toBeLessThan(4_000);
    expect(cut.stdout).toMatch(/^data\t\(cut; 4\.9 KB in all: --full\)$/m);
    expect((await op.run(['show', 'job-3', '--full'])).stdout).toContain(text);
    expect((await op.json('show', 'job-3')).result.data.text).toBe(text);
    await estate.client.hset('bull:bulk:job-3', 'data', '{"number":3}');
  });

  it('shows a flow, with what is done of it', async () => {
    const op = estate.operator();
    const { items } = await op.json('jobs', 'bull:mail', '--state', 'blocked');
    const { result } = await op.json('show', items[0].id, '--queue', 'bull:mail');
    expect(result.children.map(({ done }: { done: boolean }) => done).sort()).toEqual([
      false,
      true,
    ]);
  });
});

describe('queue stats', () => {
  it('measures every queue, and groups failures by shape', async () => {
    const { code, result } = await estate.operator().json('stats');
    expect(code).toBe(0);
    expect(result.queues).toHaveLength(5);
    expect(result.queues[1]).toMatchObject({
      ...{ queue: 'mail', scope: 'bull', sampled: 8, run_ms: { count: 8 } },
      retained: { completed: 4, failed: 4 },
      failures: [{ count: 2 }, { count: 2 }],
    });
    expect(result.queues[1].memory.retained_bytes).toBeGreaterThan(0);
    const { stdout } = await estate.operator().run(['stats', 'bulk'], terminal(80));
    expect(stdout).toMatch(/connect ETIMEDOUT <host> +3/);
  });

  it('measures so many jobs as asked for', async () => {
    const { result } = await estate.operator().json('stats', 'bulk', '--newest', '2');
    expect(result.queues[0].sampled).toBe(2);
  });

  it('exits 4 when a source is missing, 2 for an unknown queue', async () => {
    const half = await estate.operator({ postgres: NO_POSTGRES }).json('stats');
    expect(half.code).toBe(4);
    expect(half.result.problems).toMatchObject([{ engine: 'pgboss', source: 'base' }]);
    expect((await estate.operator().json('stats', 'nope')).code).toBe(2);
  });
});
