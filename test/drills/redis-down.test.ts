import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../servers/wait.js';
import { type Estate, type EstateOptions, startEstate, summary } from './estate.js';

const QUICK = ['drill', 'redis-down', '--yes', '--hold', '600ms'];
let estate: Estate;

async function up(options?: EstateOptions): Promise<Estate> {
  estate = await startEstate(options);
  return estate;
}

afterEach(() => estate.stop());

describe('drill redis-down', () => {
  it('passes a service that falls back to memory, and brings Redis back with its data', async () => {
    const { run, redisSet, redisGet } = await up();
    await redisSet('mine', 'precious');
    const { code, stdout } = await run(QUICK);
    const report = summary(stdout);
    expect(report).toMatchObject({
      type: 'summary',
      verdict: 'passed',
      reasons: [],
      restored: true,
      restored_by: 'drill',
    });
    expect(code).toBe(0);
    expect(report.outage_ms).toBeGreaterThan(500);
    expect(report.applications).toHaveLength(2);
    for (const application of report.applications) {
      expect(application).toMatchObject({ failed: 0, availability: 1, transitions: 2 });
      expect(application.degrade_ms).toBeGreaterThanOrEqual(0);
      expect(application.recover_ms).toBeGreaterThanOrEqual(0);
    }
    expect(await redisGet('mine')).toBe('precious');
  });

  it('keeps the report as JSON, Markdown and JUnit, and shows it again', async () => {
    const { run, folder } = await up();
    const { stdout } = await run([...QUICK, '--markdown', 'out.md', '--junit', 'out.xml']);
    const { id } = summary(stdout);
    expect(readFileSync(join(folder, 'out.md'), 'utf8')).toContain(
      '# Drill redis-down on main: passed',
    );
    expect(readFileSync(join(folder, 'out.xml'), 'utf8')).toMatch(
      /<testsuite name="drill redis-down" tests="4"[^>]* failures="0"/,
    );
    const stored = join(folder, 'state', 'cache-ops', 'drills', 'history', id);
    expect(JSON.parse(readFileSync(join(stored, 'report.json'), 'utf8')).verdict).toBe('passed');
    const again = await run(['drill', 'history', id, '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ id, verdict: 'passed' });
    const list = await run(['drill', 'history']);
    expect(list.stdout).toContain(`${id}\tredis-down\tmain\tpassed\tdrill`);
  });

  it('writes no secret into its state folder', async () => {
    const { run, folder } = await up();
    await run(QUICK);
    const found = execFileSync('sh', ['-c', `grep -rl "pass word" ${folder}/state || true`], {
      encoding: 'utf8',
    });
    expect(found).toBe('');
  });

  it('stops and starts by commands too', async () => {
    const { run, answers } = await up({ control: 'command' });
    expect(summary((await run(QUICK)).stdout)).toMatchObject({ verdict: 'passed' });
    expect(await answers()).toBe(true);
  });

  it.each([
    ['liar', /reports memory mode but does not serve from it/],
    ['sticky', /did not return to redis mode/],
    ['flappy', /it flaps/],
    ['deaf', /never reported memory mode/],
  ] as const)('fails a %s application, and restores all the same', async (double, reason) => {
    const { run, answers } = await up({ double });
    const { code, stdout } = await run([
      ...QUICK,
      '--hold',
      '1500ms',
      '--max-degrade',
      '1s',
      '--max-recover',
      '1s',
    ]);
    const report = summary(stdout);
    expect(report.reasons.join('\n')).toMatch(reason);
    expect(report).toMatchObject({ verdict: 'failed', restored: true });
    expect(code).toBe(3);
    expect(await answers()).toBe(true);
  });
});

describe('what a drill refuses before it touches anything', () => {
  const refused = async (argv: string[], expected: number, message: RegExp) => {
    const pid = estate.redis.pid;
    const { code, stderr } = await estate.run(argv);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect(code).toBe(expected);
    expect(await estate.answers()).toBe(true);
    expect(estate.redis.pid).toBe(pid);
    expect((await estate.run(['drill', 'status', '--json'])).stdout).toBe('{"open":[]}\n');
  };

  it('says with --dry-run what it would do, and does nothing', async () => {
    const { run, redis } = await up();
    const { code, stdout } = await run(['drill', 'redis-down', '--dry-run', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      target: 'main',
      break: `SIGTERM to process ${redis.pid}`,
      mend: redis.startCommand,
      applications: ['app-1', 'app-2'],
      persistence: 'AOF',
    });
    expect(code).toBe(0);
    await refused(
      ['drill', 'redis-down', '--dry-run', '--hold', '5 parsecs'],
      2,
      /--hold: "5 parsecs" is not a duration/,
    );
  });

  it('no consent, an unknown target or application', async () => {
    await up();
    await refused(['drill', 'redis-down'], 6, /needs a yes/);
    await refused(
      ['drill', 'redis-down', 'mian', '--yes'],
      2,
      /no Redis is named "mian"[\s\S]*did you mean main/,
    );
    await refused(
      ['drill', 'redis-down', '--app', 'app-3', '--yes'],
      2,
      /no application is named "app-3"/,
    );
    await refused(['drill', 'redis-dwon', '--yes'], 2, /redis-down/);
  });

  it('production without the name of the target', async () => {
    await up({ head: 'environment: production' });
    await refused(['drill', 'redis-down', '--yes'], 6, /its name must be confirmed/);
    await refused(
      ['drill', 'redis-down', '--yes', '--confirm', 'other'],
      6,
      /not the target's name/,
    );
    expect((await estate.run([...QUICK, '--confirm', 'main'])).code).toBe(0);
  });

  it('a target that it could not bring back', async () => {
    await up({ start: () => '/no/such/program --conf x' });
    await refused(QUICK, 6, /the program "\/no\/such\/program".*is not there/);
  });

  it('a target without control, or without persistence', async () => {
    await up({ control: 'none' });
    await refused(QUICK, 6, /no way to stop and start main is configured/);
    await estate.stop();
    await up({ aof: false });
    await refused(QUICK, 6, /keeps nothing over a stop/);
  });

  it('an application that is degraded already', async () => {
    const { redis } = await up({ double: 'sticky' });
    redis.kill('SIGKILL');
    await until(async () => !(await estate.answers()));
    await fetch(`${estate.urls[0]}/api/health`);
    execFileSync('sh', ['-c', redis.startCommand]);
    await until(() => estate.answers(), { timeout: 10_000 });
    const { code, stderr } = await estate.run(QUICK);
    expect(stderr).toMatch(/app-1 is in memory mode already/);
    expect(code).toBe(6);
  });

  it('a second drill on the same target while one is open', async () => {
    const { spawn, run } = await up();
    const first = spawn(['drill', 'redis-down', '--yes', '--hold', '2s']);
    await first.says('Redis is stopped');
    const second = await run(QUICK);
    expect(second.code).not.toBe(0);
    expect(second.stderr).toMatch(/a drill is open/);
    expect(await first.ended).toBe(0);
  });
});
