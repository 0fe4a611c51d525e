import { describe, expect, it } from 'vitest';
import { identify } from '../../src/state/identity.js';
import { until } from '../servers/wait.js';
import { type Estate, type EstateOptions, startEstate, summary } from './estate.js';

export interface Case {
  /** The drill with what it needs. */
  argv: string[];
  /** Lines of its timeline: before the fault, and when it is there. */
  breaking: string;
  broken: string;
  mending: string;
  options?: EstateOptions;
  /** Whether a target that nobody mends stays broken; a CLIENT PAUSE ends by itself. */
  lasts?: boolean;
  report?: object;
  /** What an application that never notices is told. */
  deaf?: RegExp;
}

/**
 * The guarantee of every drill: whatever is killed, and when, the target is restored, with every
 * setting and every key as before. Tests of one file run side by side: each has an estate of its own.
 */
export function restoresWhateverHappens(title: string, test: Case): void {
  const { argv, breaking, broken, mending, options, lasts = true, report, deaf } = test;
  const drill = ['drill', ...argv, '--yes'];

  describe.concurrent(title, () => {
    it('passes a service that falls back, and leaves everything as it was', async () => {
      await withEstate(options, async (estate, before) => {
        const { code, stdout, stderr } = await estate.run([...drill, '--hold', '600ms']);
        expect(stderr).toBe('');
        expect(summary(stdout)).toMatchObject({
          verdict: 'passed',
          reasons: [],
          restored_by: 'drill',
          ...report,
        });
        expect(code).toBe(0);
        expect(await estate.fingerprint()).toBe(before);
      });
    });

    it.runIf(deaf)(
      'fails an application that does not notice, and restores all the same',
      async () => {
        await withEstate({ ...options, double: 'deaf' }, async (estate, before) => {
          const limits = ['--hold', '600ms', '--max-degrade', '1s', '--max-recover', '2s'];
          const { code, stdout } = await estate.run([...drill, ...limits]);
          const { verdict, restored, reasons } = summary(stdout);
          expect([verdict, restored]).toEqual(['failed', true]);
          expect(reasons.join('\n')).toMatch(deaf as RegExp);
          expect(code).toBe(3);
          expect(await estate.fingerprint()).toBe(before);
        });
      },
    );

    it.each([
      ['a canary is written', '1s'],
      ['the watchdog is ready', '1s'],
      [breaking, '2s'],
      [broken, '2s'],
      ['writing and reading', '2s'],
      [mending, '300ms'],
      ['the canary is intact', '300ms'],
    ])('restores it after kill -9 of the command line at "%s"', async (moment, hold) => {
      await withEstate(options, async (estate, before) => {
        const run = estate.spawn([...drill, '--hold', hold]);
        await run.says(moment);
        run.kill('SIGKILL');
        await run.ended;
        await restored(estate, before);
        expect((await estate.run(['drill', 'status'])).code).toBe(0);
      });
    });

    it('restores it when the watchdog is killed', async () => {
      await withEstate(options, async (estate, before) => {
        const run = estate.spawn([...drill, '--hold', '2s']);
        await run.says(broken);
        process.kill(estate.watchdog(), 'SIGKILL');
        expect(await run.ended).toBe(3);
        expect(summary(run.output)).toMatchObject({
          restored: true,
          reasons: ['the watchdog is gone'],
        });
        await restored(estate, before);
      });
    });

    it('restores it by drill restore when both are killed', async () => {
      await withEstate(options, async (estate, before) => {
        const run = estate.spawn([...drill, '--hold', '2s']);
        await run.says(broken);
        run.kill('SIGSTOP');
        const watchdog = estate.watchdog();
        process.kill(watchdog, 'SIGKILL');
        run.kill('SIGKILL');
        await run.ended;
        // A kill takes a moment to be carried out.
        await until(() => identify(watchdog) === undefined);
        expect((await estate.run(['drill', 'status'])).code).toBe(7);
        if (lasts) await expect(estate.fingerprint(300)).resolves.not.toBe(before);
        expect((await estate.run(['drill', 'restore'])).code).toBe(0);
        await restored(estate, before);
      });
    });
  });
}

async function withEstate(
  options: EstateOptions | undefined,
  work: (estate: Estate, before: string) => Promise<void>,
): Promise<void> {
  const estate = await startEstate(options);
  try {
    await estate.redisSet('mine', 'precious');
    await work(estate, await estate.fingerprint());
  } finally {
    await estate.stop();
  }
}

/** Redis is as it was, no drill is open that would need anything, and applications are in redis mode. */
export async function restored(estate: Estate, before: string): Promise<void> {
  await until(async () => (await estate.fingerprint(500)) === before, {
    timeout: 20_000,
    every: 100,
  });
  await until(
    async () => {
      const { stdout } = await estate.run(['drill', 'status', '--json']);
      const [open] = JSON.parse(stdout).open;
      return open === undefined || open.state === 'abandoned';
    },
    { timeout: 10_000, every: 100 },
  );
  for (const url of estate.urls) {
    const health = async () =>
      (await (await fetch(`${url}/api/health`)).json()) as { cache: string };
    await until(async () => (await health()).cache === 'redis', { every: 50 });
  }
}
