import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { allRecords } from '../../src/queues/bulk/store.js';
import { openState } from '../../src/state/folder.js';
import { startBin } from '../e2e/bin.js';
import { configured } from '../health/estate.js';
import { buildCli } from '../queues/built.js';
import { until } from '../servers/wait.js';

export const JOBS = 10_000;
let cli: Awaited<ReturnType<typeof buildCli>>;
beforeAll(async () => {
  cli = await buildCli();
});
afterAll(() => cli.remove());

/** An operator in a process of its own, with a state folder of its own, who retries every job of `mail`. */
function operator(config: object) {
  const { folder } = configured(config);
  const env = { XDG_STATE_HOME: join(folder, 'state'), HOME: folder };
  const argv = ['queue', 'retry', '--queue', 'mail', '--all', '--yes', '--json'];
  const child = startBin(argv, { bin: cli.bin, env, cwd: folder });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    /** How many jobs it has chosen; undefined while it still chooses. */
    chosen: () => allRecords(openState(env))[0]?.total,
    async ended() {
      const { code, stdout } = await child.ended;
      return { code, counts: JSON.parse(stdout.trim().split('\n').at(-1) ?? '').counts };
    },
  };
}

/** Two operators who have chosen the same jobs before the first of them may change anything. */
export async function together(config: object, open: () => Promise<unknown>) {
  const operators = [operator(config), operator(config)];
  await until(() => operators.every(({ chosen }) => chosen() === JOBS), {
    timeout: 20_000,
    what: 'both operators to have chosen',
  });
  await open();
  return Promise.all(operators.map(({ ended }) => ended()));
}

export function expectEachOnce([one, other]: Awaited<ReturnType<typeof together>>) {
  if (!one || !other) throw new Error('two operators');
  expect(one.counts.done + other.counts.done).toBe(JOBS);
  // What one has not moved, the other has: nothing else is said of it, wherever it is by now.
  for (const { counts, code } of [one, other]) {
    expect(counts.done + counts.raced).toBe(JOBS);
    expect(code).toBe(counts.raced > 0 ? 4 : 0);
  }
}
