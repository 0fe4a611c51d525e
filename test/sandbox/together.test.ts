import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeWorld, NOTHING, type World } from './world.js';

let worlds: [World, World];
beforeAll(() => {
  worlds = [makeWorld(), makeWorld()];
});
afterAll(() => Promise.all(worlds.map((world) => world.remove())));

it('two at the same time make one sandbox and both succeed; of two state folders each has its own', async () => {
  const [here, there] = worlds;
  const outcomes = await Promise.all(
    [here, here, there].map((world) => world.bin('sandbox', 'up', '--json')),
  );
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
  const [one, same, other] = outcomes.map(({ stdout }) => JSON.parse(stdout));
  expect([one.already, same.already].sort()).toEqual([false, true]);
  expect(one.processes).toEqual(same.processes);
  expect(here.left().files).toHaveLength(1);
  expect(other.folder).not.toBe(one.folder);

  // Two at the same time take one down; the other one does not notice.
  const downs = await Promise.all([1, 2].map(() => here.bin('sandbox', 'down', '--json')));
  expect(downs.map(({ code }) => code)).toEqual([0, 0]);
  expect(here.left()).toEqual(NOTHING);
  expect((await there.cli('sandbox', 'status', '--json')).stdout).toContain('"state":"up"');
  expect((await there.cli('ping', '--sandbox')).code).toBe(0);
  expect((await there.cli('sandbox', 'down')).code).toBe(0);
  expect(there.left()).toEqual(NOTHING);
});
