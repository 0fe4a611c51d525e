import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRunning } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { makeWorld, NOTHING, processesOf, type World } from './world.js';

let world: World;
beforeAll(() => {
  world = makeWorld();
});
afterAll(() => world.remove());

/** The Postgres processes that initdb has at work. */
const initializers = () =>
  processesOf(world.home).flatMap(({ pid, command }) =>
    command.includes('--single') ? [pid] : [],
  );

/** The segments of System V shared memory that processes have made, whether they still run or not. */
function sharedMemoryOf(pids: number[]): string[] {
  const lines = readFileSync('/proc/sysvipc/shm', 'utf8').trim().split('\n').slice(1);
  return lines.filter((line) => pids.includes(Number(line.trim().split(/\s+/)[4])));
}

const busy = () => until(() => world.left().files.length > 0, { timeout: 20_000 });

describe('sandbox up that is killed with kill -9', () => {
  // An `up` takes about 600 ms; the moments are spread over it and moved a little each time.
  it.each([60, 180, 300, 450, 600])(
    'about %i ms after its start: down leaves no process and no file',
    async (moment) => {
      const up = world.start('sandbox', 'up');
      await sleep(moment + Math.random() * 80 - 40);
      up.kill('SIGKILL');
      await up.ended;
      expect(await world.cli('sandbox', 'down')).toMatchObject({ code: 0, stdout: '' });
      expect(world.left()).toEqual(NOTHING);
    },
  );

  it('while initdb is at work: status says so with 3, the next up works, and no shared memory stays behind', async () => {
    const up = world.start('sandbox', 'up');
    await until(() => initializers().length > 0);
    const pids = initializers();
    up.kill('SIGKILL');
    await up.ended;
    const status = await world.cli('sandbox', 'status');
    expect(status.code).toBe(3);
    expect(status.stderr).toContain('"sandbox up" did not end');
    expect((await world.cli('ping', '--sandbox')).code).toBe(2);
    expect((await world.cli('sandbox', 'up')).code).toBe(0);
    expect((await world.cli('ping', '--sandbox')).code).toBe(0);
    expect(world.left().files).toHaveLength(1);
    expect(sharedMemoryOf(pids)).toEqual([]);
  });
});

it('a down that is killed in the middle is finished by the next, which leaves a shell that stands there alone', async () => {
  const { folder } = JSON.parse((await world.cli('sandbox', 'up', '--json')).stdout);
  const shell = spawn('sleep', ['60'], { cwd: folder, stdio: 'ignore' });
  const ended = new Promise((resolve) => shell.once('exit', resolve));
  const down = world.start('sandbox', 'down');
  const before = world.left().processes.length;
  await until(() => world.left().processes.length < before);
  down.kill('SIGKILL');
  await down.ended;
  expect((await world.cli('sandbox', 'down')).code).toBe(0);
  expect(world.left()).toEqual({
    ...NOTHING,
    processes: [{ pid: shell.pid, command: 'sleep 60 ' }],
  });
  expect(isRunning(shell.pid as number)).toBe(true);
  shell.kill('SIGKILL');
  await ended;
});

describe('sandbox up that is interrupted', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s clears up after itself and exits with 130',
    async (signal) => {
      const up = world.start('sandbox', 'up');
      await busy();
      await sleep(Math.random() * 250);
      up.kill(signal);
      expect(await up.ended).toEqual({
        code: 130,
        stdout: '',
        stderr: `cache-ops: interrupted by ${signal}\n`,
      });
      expect(world.left()).toEqual(NOTHING);
    },
  );

  it('by sandbox down clears up too, and down waits for it', async () => {
    const up = world.start('sandbox', 'up');
    await busy();
    expect((await world.cli('sandbox', 'down')).code).toBe(0);
    expect((await up.ended).code).toBe(130);
    expect(world.left()).toEqual(NOTHING);
  });
});
