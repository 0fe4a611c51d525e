import { spawn as spawnProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { identify } from '../../src/state/identity.js';
import { until } from '../servers/wait.js';
import { type Estate, startEstate, summary } from './estate.js';

const DRILL = ['drill', 'redis-down', '--yes', '--hold', '5s'];
let estate: Estate;

afterEach(() => estate.stop());

const journalOf = async () =>
  JSON.parse((await estate.run(['drill', 'status', '--json'])).stdout).open[0];
const answersAgain = () => until(() => estate.answers(), { timeout: 10_000 });
/** One that was killed before its watchdog stood has broken nothing: it lies there until the next drill. */
const closed = () =>
  until(async () => ['abandoned', undefined].includes((await journalOf())?.state), {
    timeout: 10_000,
  });

describe('a drill whose command line is killed in the middle', () => {
  it.each([
    'a canary is written',
    'the watchdog is ready',
    'stopping Redis',
    'Redis is stopped',
    'writing and reading',
  ])('restores Redis within a second of kill -9 after "%s"', async (moment) => {
    estate = await startEstate();
    await estate.redisSet('mine', 'precious');
    const drill = estate.spawn(DRILL);
    await drill.says(moment);
    drill.kill('SIGKILL');
    await drill.ended;
    const killed = Date.now();
    await answersAgain();
    await closed();
    // A watchdog of its own does it: without one this waits for ever.
    expect(Date.now() - killed).toBeLessThan(5_000);
    expect(await estate.redisGet('mine')).toBe('precious');
    expect((await estate.run(['drill', 'status'])).code).toBe(0);
  });

  it('restores it when the whole process group is killed', async () => {
    estate = await startEstate();
    const drill = estate.spawn(DRILL);
    await drill.says('Redis is stopped');
    drill.killGroup('SIGKILL');
    await answersAgain();
    await closed();
    // Who acted writes it down: here nobody else was left.
    const audit = readFileSync(join(estate.folder, 'state', 'cache-ops', 'audit.ndjson'), 'utf8');
    const lines = audit
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ action, target, result }) => [action, target, result])).toEqual([
      ['redis-down: break', 'main', 'broken'],
      ['redis-down: restore', 'main', 'restored: pipe closed'],
    ]);
  });

  it('restores it when the terminal goes away', async () => {
    estate = await startEstate();
    const bin = new URL('../../bin/cache-ops.js', import.meta.url).pathname;
    const script = `exec "${process.execPath}" "${bin}" ${DRILL.join(' ')}`;
    const terminal = spawnProcess('script', ['-qec', script, '/dev/null'], {
      cwd: estate.folder,
      env: estate.env as NodeJS.ProcessEnv,
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    let screen = '';
    terminal.stdout.on('data', (chunk) => {
      screen += chunk;
    });
    await until(() => screen.includes('Redis is stopped'), { timeout: 20_000 });
    process.kill(-(terminal.pid as number), 'SIGKILL');
    await answersAgain();
    await closed();
  });

  it('restores it by the lease when the command line is stopped, which then does no harm when it wakes up', async () => {
    estate = await startEstate();
    // Long enough that only the lease can end it, however late this process sees its words.
    const drill = estate.spawn([...DRILL, '--hold', '8s']);
    await drill.says('Redis is stopped');
    drill.kill('SIGSTOP');
    await answersAgain();
    await closed();
    drill.kill('SIGCONT');
    expect(await drill.ended).toBe(3);
    expect(summary(drill.output)).toMatchObject({
      verdict: 'aborted',
      restored: true,
      restored_by: 'lease',
    });
    expect(await estate.answers()).toBe(true);
  });

  it('restores it at the hard deadline, whatever the command line wants', async () => {
    estate = await startEstate();
    const drill = estate.spawn([...DRILL, '--hold', '30s', '--deadline', '2s']);
    expect(await drill.ended).toBe(3);
    expect(summary(drill.output)).toMatchObject({ verdict: 'aborted', restored_by: 'deadline' });
    expect(await estate.answers()).toBe(true);
  });
});

describe('a drill whose watchdog is killed', () => {
  it('is ended and restored by the command line', async () => {
    estate = await startEstate();
    const drill = estate.spawn(DRILL);
    await drill.says('Redis is stopped');
    process.kill(estate.watchdog(), 'SIGKILL');
    expect(await drill.ended).toBe(3);
    expect(summary(drill.output)).toMatchObject({
      verdict: 'aborted',
      restored: true,
      reasons: ['the watchdog is gone'],
    });
    expect(await estate.answers()).toBe(true);
    await closed();
  });

  it('and whose command line is killed too: every command warns, and drill restore mends it', async () => {
    estate = await startEstate({ start: (real) => `echo started >> starts && ${real}` });
    const drill = estate.spawn(DRILL);
    await drill.says('Redis is stopped');
    drill.kill('SIGSTOP');
    const watchdog = estate.watchdog();
    process.kill(watchdog, 'SIGKILL');
    drill.kill('SIGKILL');
    await drill.ended;
    // A kill takes a moment to be carried out.
    await until(() => identify(watchdog) === undefined);
    expect(await estate.answers()).toBe(false);
    expect((await estate.run(['drill', 'list'])).stderr).toMatch(
      /a drill is open: redis-down has broken main/,
    );
    const status = await estate.run(['drill', 'status']);
    expect(status.stdout).toContain('orphaned');
    expect(status.code).toBe(7);
    const restored = await Promise.all(
      [1, 2, 3, 4].map(() => estate.spawn(['drill', 'restore']).ended),
    );
    expect(restored).toEqual([0, 0, 0, 0]);
    // Of four that race, one acts.
    expect(readFileSync(join(estate.folder, 'starts'), 'utf8')).toBe('started\n');
    expect(await estate.answers()).toBe(true);
    await closed();
    expect((await estate.run(['drill', 'status'])).stderr).toContain('No drill is open');
  });

  it('before it has confirmed: nothing is stopped', async () => {
    estate = await startEstate();
    const { pid } = estate.redis;
    const drill = estate.spawn(DRILL);
    await drill.says('a canary is written');
    drill.kill('SIGKILL');
    await drill.ended;
    await closed();
    expect(await estate.answers()).toBe(true);
    process.kill(pid, 0);
  });
});

it('drill restore ends a drill that is running, which then says so', async () => {
  estate = await startEstate();
  const drill = estate.spawn(DRILL);
  await drill.says('Redis is stopped');
  expect((await estate.run(['drill', 'restore'])).code).toBe(0);
  expect(await drill.ended).toBe(3);
  expect(summary(drill.output)).toMatchObject({ verdict: 'aborted', restored: true });
});

it('Ctrl-C restores and exits with 130', async () => {
  estate = await startEstate();
  const drill = estate.spawn(DRILL);
  await drill.says('Redis is stopped');
  drill.kill('SIGINT');
  expect(await drill.ended).toBe(130);
  expect(await estate.answers()).toBe(true);
  await closed();
});

it('says with exit 7 that Redis is not restored, and restores when the cause is mended', async () => {
  // The folder of the configuration is where the command runs.
  estate = await startEstate({ start: (real) => `test -e mended && ${real}` });
  const drill = estate.spawn([...DRILL, '--hold', '200ms']);
  expect(await drill.ended).toBe(7);
  expect(drill.output).toMatch(/is NOT restored: .*exit code 1/);
  expect((await estate.run(['drill', 'status'])).code).toBe(7);
  writeFileSync(join(estate.folder, 'mended'), '');
  expect((await estate.run(['drill', 'restore'])).code).toBe(0);
  expect(await estate.answers()).toBe(true);
}, 120_000);
