import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Estate, type EstateOptions, startEstate, summary } from './estate.js';

let estate: Estate;
afterEach(() => estate.stop());

async function up(plan: string, options?: EstateOptions): Promise<Estate> {
  estate = await startEstate(options);
  writeFileSync(join(estate.folder, 'plan.yaml'), plan);
  return estate;
}

const SUITE = `
suite: nightly
drills:
  - { drill: redis-hang, hold: 300ms, settle: 300ms, max_degrade: 3s }
  - { drill: redis-down, name: weekly, target: main, applications: [app-1], hold: 300ms, settle: 300ms }
`;

const lines = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('drill plan', () => {
  it('runs the drills of a suite in their order, and writes one JUnit file for all', async () => {
    const { run, folder } = await up(SUITE);
    const { code, stdout, stderr } = await run([
      'drill',
      'plan',
      'plan.yaml',
      '--yes',
      '--junit',
      'all.xml',
    ]);
    expect(stderr).toBe('');
    expect(lines(stdout).filter(({ type }) => type === 'item')).toMatchObject([
      { drill: 'redis-hang', verdict: 'passed' },
      { drill: 'weekly', verdict: 'passed', applications: [{ application: 'app-1' }] },
    ]);
    expect(summary(stdout)).toMatchObject({ type: 'summary', suite: 'nightly', passed: true });
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'all.xml'), 'utf8')).toMatch(/tests="7"[^>]* failures="0"/);
  });

  it('runs what a team breaks by commands of its own, and mends it', async () => {
    const { run, folder, answers } = await up('');
    writeFileSync(
      join(folder, 'plan.yaml'),
      `{ drill: redis-down, name: unplugged, hold: 300ms, break: { with: "kill $(cat ${estate.redis.pidFile})", mend: "${estate.redis.startCommand}" } }`,
    );
    const { code, stdout } = await run(['drill', 'plan', 'plan.yaml', '--yes']);
    expect(summary(stdout)).toMatchObject({ passed: true, drills: [{ drill: 'unplugged' }] });
    expect(code).toBe(0);
    expect(await answers()).toBe(true);
  });

  it('stops at a drill that is not restored, with exit 7', async () => {
    const { spawn, run, redis } = await up(
      'suite: two\ndrills:\n  - { drill: redis-down, hold: 2s }\n  - { drill: redis-hang }',
      { control: { yaml: '{ connection: true }' } },
    );
    const suite = spawn(['drill', 'plan', 'plan.yaml', '--yes']);
    await suite.says('Redis is stopped');
    // Moved to another port, and then gone from there too.
    redis.kill('SIGKILL');
    expect(await suite.ended).toBe(7);
    expect(suite.output).toMatch(/is NOT restored/);
    expect(suite.output).not.toContain('letting Redis hang');
    execFileSync('sh', ['-c', redis.startCommand]);
    expect((await run(['drill', 'restore'])).code).toBe(0);
  });

  it('says with check what is wrong, where, and breaks nothing', async () => {
    const { run, redis } = await up(SUITE);
    const { pid } = redis;
    const right = await run(['drill', 'check', 'plan.yaml', '--json']);
    expect(JSON.parse(right.stdout)).toMatchObject({
      suite: 'nightly',
      drills: [
        { break: `SIGSTOP to process ${pid}` },
        { drill: 'weekly', applications: ['app-1'] },
      ],
    });
    const wrong = async (text: string, message: RegExp, expected = 2) => {
      writeFileSync(join(estate.folder, 'plan.yaml'), text);
      const { code, stderr } = await run(['drill', 'check', 'plan.yaml']);
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/\n {4}at /);
      expect(code).toBe(expected);
    };
    await wrong('drill: redis-dwon', /plan.yaml:1:1: drill: expected one of redis-down/);
    await wrong(
      'drill: redis-down\nhold: 3 parsecs',
      /plan.yaml:2:1: hold: "3 parsecs" is not a duration/,
    );
    await wrong('suite: x\ndrills: []', /drills: must not be empty/);
    await wrong('drill: [', /plan.yaml:1/);
    await wrong('', /the file/);
    await wrong('{ drill: redis-down, target: mian }', /no Redis is named "mian"/);
    await wrong(
      '{ drill: redis-down, break: { with: "kill 1", mend: "/no/such/thing" } }',
      /is not there/,
      6,
    );
    expect((await run(['drill', 'check', 'none.yaml'])).code).toBe(2);
    expect(redis.pid).toBe(pid);
  });
});

describe('the gates of a drill, and the runs before it', () => {
  it('compares with the last run, shows trends, and fails a limit that was missed', async () => {
    const { run } = await up('');
    const drill = ['drill', 'redis-down', '--yes', '--hold', '300ms', '--compare'];
    const first = summary((await run(drill)).stdout);
    expect(first.compared).toBeNull();
    const gate = [...drill, '--max-recover', '1ms', '--min-availability', '99.9%'];
    const { code, stdout } = await run(gate);
    const second = summary(stdout);
    expect(code).toBe(3);
    expect(second.reasons[0]).toMatch(/ms to return to redis mode, more than 1 ms/);
    expect(second.compared).toMatchObject({
      id: first.id,
      verdict: 'passed',
      outage_ms: { before: first.outage_ms, now: second.outage_ms },
    });
    const trends = JSON.parse((await run(['drill', 'history', '--trends', '--json'])).stdout);
    expect(trends).toMatchObject([
      {
        drill: 'redis-down',
        target: 'main',
        runs: 2,
        passed: 1,
        outage_ms: { last: second.outage_ms, previous: first.outage_ms },
        availability: { last: 1, worst: 1 },
      },
    ]);
    expect((await run(['drill', 'history', '--trends'])).stdout).toMatch(
      /^redis-down\tmain\t2\t1\t/,
    );
    const bad = await run([...drill, '--min-availability', 'most']);
    expect(bad.stderr).toMatch(/"most" is not a percentage/);
    expect(bad.code).toBe(2);
  });
});
