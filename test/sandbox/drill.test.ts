import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../servers/wait.js';
import { makeWorld, NOTHING, type World } from './world.js';

const DRILL = ['drill', 'redis-down', '--yes', '--sandbox', '--hold', '20s'];
let world: World;
beforeAll(async () => {
  world = makeWorld();
  expect((await world.cli('sandbox', 'up')).code).toBe(0);
});
afterAll(() => world.remove());

it('while a drill runs on it, down and up refuse with 6; after kill -9 of the drill down succeeds', async () => {
  const drill = world.start(...DRILL);
  await drill.says('Redis is stopped');
  for (const command of ['down', 'up']) {
    const refused = await world.cli('sandbox', command);
    expect(refused).toMatchObject({ code: 6, stdout: '' });
    expect(refused.stderr).toMatch(/redis-down \(.*\) is running on the sandbox/);
    expect(refused.stderr).toContain('hint: let it end, or: cache-ops drill restore');
  }
  expect(world.left().processes.length).toBeGreaterThan(3);
  drill.kill('SIGKILL');
  await drill.ended;
  expect((await world.cli('sandbox', 'down')).code).toBe(0);
  expect(world.left()).toEqual(NOTHING);
  expect((await world.cli('drill', 'status')).stderr).toBe('No drill is open.\n');
});

it('has workers to kill: one is killed in the middle of its batch, and the other goes on', async () => {
  expect((await world.cli('sandbox', 'up')).code).toBe(0);
  const { code, stdout } = await world.cli(
    'drill',
    'worker-crash',
    'service-1',
    '--yes',
    '--sandbox',
  );
  const { verdict, reasons, facts } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  expect([verdict, reasons]).toEqual(['passed', []]);
  expect(facts).toMatchObject({ taken_up_by: 'service-2', items_once: 120 });
  expect(facts.went_on_at_item).toBe(facts.checkpoint);
  expect(code).toBe(0);
  const status = JSON.parse((await world.cli('sandbox', 'status', '--json')).stdout);
  expect(status.state).toBe('up');
});

it('a drill whose watchdog was killed with it does not keep the sandbox up', async () => {
  expect((await world.cli('sandbox', 'up')).code).toBe(0);
  const drill = world.start(...DRILL);
  await drill.says('Redis is stopped');
  const watchdog = () =>
    world.left().processes.find(({ command }) => command.includes('__watchdog'));
  const { pid } = watchdog() as { pid: number };
  drill.kill('SIGSTOP');
  process.kill(pid, 'SIGKILL');
  drill.kill('SIGKILL');
  await drill.ended;
  await until(() => watchdog() === undefined);
  expect((await world.cli('drill', 'status')).code).toBe(7);
  expect((await world.cli('sandbox', 'down')).code).toBe(0);
  expect(world.left()).toEqual(NOTHING);
  expect((await world.cli('drill', 'status')).code).toBe(0);
});
